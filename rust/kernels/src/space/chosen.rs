//! Which sketches are made, signs or levels: what is off by less for rows and their neighbours.
//!
//! Rows are held against rows that a walk for them would compare, and against others, by exact products of codes. That says
//! what each kind is off by, and how far a row may be off before it counts as farther.

use super::levels::Levels;
use super::making::{Maker, decode};
use super::point::Point;
use super::records::Records;
use super::sketches::{CENTRED, Sketches};
use super::{BackEnd, on_chosen};
use crate::backend::{Backend, DOTS, FEW_STEP};

/// Errors of sketches, each as large as is usual, that a row is given. Measured on 100,000 rows of topics: 37 % of what a
/// walk reaches is compared after all, and 0.5 % of what it needed is lost. With 1, 31 % and 1.5 %; with 2, 42 % and 0.1 %,
/// which takes longer for the same recall.
const MARGIN: f64 = 1.5;

/// Elements up to which axes are looked for, since that takes their third power, and a query the second; and rows for each element,
/// of which axes tell what others will be.
const MOST_ELEMENTS: usize = 1024;
const ROWS_FOR_EACH: usize = 2;

/// What levels must be off by at most of what signs are, as a square, for the nearest and for others, or signs are taken: to
/// weigh levels takes longer. (Of rows of topics 0.1 and 0.1; of sentences by `MiniLM` 6.5 and 0.3: walks took a sixth longer
/// with levels, scans a fifth, and those found a hundredth more.)
const CLEARLY: f64 = 0.5;

/// And at most of the variance of the distances of the nearest. Where rows lie in clusters that are far from one another, a level
/// is wider than a cluster, all of whose rows are off by as much, and none would be compared. (Of rows of topics 0.13 of
/// 100,000 and 0.21 of a million, of sentences 2.)
const APART: f64 = 0.5;

/// Rows that are held against their neighbours.
const SAMPLED: usize = 128;

/// The nearest of them.
const NEAREST: usize = 4;

/// Other rows that each of them is held against.
const OTHERS: usize = 32;

/// What sketches are off by.
#[derive(Clone, Copy)]
struct Off {
    /// For neighbours, the square root of the mean square of it as a part of |P'| and of f, or of what levels leave. Not finite
    /// where nothing could be compared.
    usual: f64,
    /// The mean square of it, for the nearest of those.
    near: f64,
    /// And for other rows: the less it is, the fewer are taken for near.
    far: f64,
    /// The mean square of it as a part of the variance of distances, of the nearest of a row; for half of all rows it is less.
    apart: f64,
}

/// No number for none.
fn mean(of: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = of.len() as f64;
    of.sum::<f64>() / count
}

/// Which sketches are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that are off by less.
    Better,
    /// Of signs.
    #[cfg(test)]
    Signs,
    /// Of levels, where this processor is fast with them.
    #[cfg(test)]
    Levels,
}

impl Which {
    fn may_be_levels(self) -> bool {
        match self {
            Self::Better => true,
            #[cfg(test)]
            Self::Signs => false,
            #[cfg(test)]
            Self::Levels => true,
        }
    }

    fn must_be_levels(self) -> bool {
        self.may_be_levels() && self != Self::Better
    }
}

impl Sketches {
    /// Choose between signs and levels: what is off by less for rows and their neighbours.
    pub(super) fn choose<'n>(&mut self, records: Records<'_>, which: Which, neighbours: impl Fn(u32) -> &'n [u32]) {
        let signs = self.error(records, &neighbours);
        let mut chosen = signs;
        let worth = self.dimension <= MOST_ELEMENTS && records.len() >= ROWS_FOR_EACH * self.dimension;
        if which.may_be_levels()
            && (worth || which.must_be_levels())
            && on_chosen!(BackEnd::of_this_processor(), backend => backend.has_bit_sums())
        {
            self.levels = on_chosen!(BackEnd::of_this_processor(), backend => self.levels_of(backend, records));
        }
        if self.levels.is_some() {
            let levels = self.error(records, neighbours);
            // What is no number is not less.
            let less = |of: fn(&Off) -> f64| of(&levels) < CLEARLY * of(&signs);
            if which.must_be_levels() || levels.apart < APART && less(|off| off.near) && less(|off| off.far) {
                chosen = levels;
            } else {
                self.levels = None;
            }
        }
        self.margin = (MARGIN * chosen.usual) as f32;
    }

    /// The levels of rows like a sample of them.
    fn levels_of<B: Backend>(&self, backend: B, records: Records<'_>) -> Option<Levels> {
        let filled = self.filled_centre.len();
        let rows = (0..records.len()).step_by(records.len().div_ceil(CENTRED));
        let mut sample = vec![0.0; rows.len() * filled];
        for (row, y) in rows.zip(sample.chunks_mut(filled)) {
            decode(records, row, y);
            y.iter_mut().zip(&self.filled_centre).for_each(|(y, c)| *y -= c);
        }
        Levels::of(backend, (&sample, &self.filled_centre), (filled, filled / FEW_STEP), self.metric)
    }

    /// What sketches are off by, for rows and their neighbours.
    fn error<'n>(&self, records: Records<'_>, neighbours: impl Fn(u32) -> &'n [u32]) -> Off {
        on_chosen!(BackEnd::of_this_processor(), backend => self.error_on(backend, records, neighbours))
    }

    fn error_on<'n, B: Backend>(&self, backend: B, records: Records<'_>, neighbours: impl Fn(u32) -> &'n [u32]) -> Off {
        let (mut point, mut maker) = (Point::new(self.dimension), Maker::new(backend, self));
        let mut sketch = vec![0; self.stride];
        let [mut usual, mut near, mut far, mut apart] = [const { Vec::new() }; 4];
        for (number, row) in (0..records.len()).step_by(records.len().div_ceil(SAMPLED)).enumerate() {
            point.copy(backend, records, row, self.metric);
            point.sketch(backend, self);
            let mut off = |to: u32| {
                let record = records.record(to as usize);
                let (scale, add) = records.factors(record);
                let products = point.codes.iter().zip(&record[..self.dimension]);
                let dot: i32 = products.map(|(&a, &b)| i32::from(a) * i32::from(b.cast_signed())).sum();
                let exact = f64::from(point.scale * scale) * f64::from(dot);
                sketch.fill(0);
                maker.row(records, to as usize, &mut sketch);
                let rows = [&*sketch; DOTS];
                let ([f, off_by, along, _], [sum, ..]) = if self.have_levels() {
                    (self.factors::<true>(&sketch), self.sums::<_, true>(backend, &point, rows))
                } else {
                    (self.factors::<false>(&sketch), self.sums::<_, false>(backend, &point, rows))
                };
                let off = exact - f64::from(point.sketched.product(sum, f, along));
                let unit = f64::from(off_by * point.sketched.norm);
                Some((off, unit, f64::from(add) - exact)).filter(|_| unit > 0.0 && off.is_finite())
            };
            let links = neighbours(row as u32).iter().filter(|&&to| (to as usize) < records.len());
            let mut some: Vec<(f64, f64, f64)> = links.filter_map(|&to| off(to)).collect();
            usual.extend(some.iter().map(|(off, unit, _)| (off / unit).powi(2)));
            // Links lead to other places too.
            some.sort_by(|a, b| a.2.total_cmp(&b.2));
            some.truncate(NEAREST);
            near.extend(some.iter().map(|(off, ..)| off.powi(2)));
            // Of equal rows, all but the first have no neighbours.
            if some.is_empty() {
                continue;
            }
            let middle = mean(some.iter().map(|(.., distance)| *distance));
            let spread = mean(some.iter().map(|(.., distance)| (distance - middle).powi(2)));
            let part = mean(some.iter().map(|(off, ..)| off.powi(2))) / spread;
            apart.push(if part.is_nan() { f64::INFINITY } else { part });
            // Every so many, from elsewhere for each row.
            let others = (number..records.len()).step_by(records.len().div_ceil(OTHERS));
            far.extend(others.filter_map(|to| off(to as u32)).map(|(off, ..)| off.powi(2)));
        }
        apart.sort_unstable_by(f64::total_cmp);
        let [usual, near, far] = [usual, near, far].map(|of| mean(of.into_iter()));
        Off { usual: usual.sqrt(), near, far, apart: apart.get(apart.len() / 2).copied().unwrap_or(f64::NAN) }
    }
}
