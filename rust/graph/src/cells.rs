//! Cells: the rows that are nearest to the same of some centres (k-means; Lloyd 1982), as an inverted file has them
//! (Sivic and Zisserman 2003).
//!
//! Where many rows may be found, the signs of most need not be looked at: what is nearest to a query is in the cells whose
//! centres are near it. Which row is in which cell is found when a graph is built, and kept in its file. How many cells
//! are looked at for a recall is measured on rows and their neighbours, as for signs; a query whose nearest come from the
//! later half of its cells gets half as many again.

use crossfade_kernels::{Corpus, Error as Fault, Metric, Options, Point, Records, Rows, Space, record_bytes, top_k};

use crate::error::Error;
use crate::level::mixed;
use crate::pool::{entry, node};

/// The cells of a corpus, as its graph's file has them; empty for few rows.
#[derive(Default)]
pub(crate) struct Cells {
    /// Of each row, its cell.
    pub(crate) of: Vec<u32>,
    /// The records of the centres.
    pub(crate) centres: Vec<u8>,
}

/// Rows below which there are no cells: signs of all of them are looked at in a microsecond.
pub(crate) const LEAST_ROWS: usize = if cfg!(test) { 1_000 } else { 16_384 };

/// Cells, for the square root of the number of rows. With twice as many, half as many rows are looked at for the same
/// recall, and to find the nearest centres takes longer. (Of 100,000 rows, a scan took as long with 4.8 as with this, 5 % longer
/// with 3.2 and half as many moves.)
const BY_ROOT: f64 = 4.0;

/// Rows of which centres are made, for each.
const SAMPLED: usize = 64;

/// And at most: of a million rows, 33 for each centre, in 200 MB at 384 dimensions.
const MOST_SAMPLED: usize = 1 << 17;

/// How often centres are moved into the middle of what is nearest to them.
const MOVES: usize = 12;

/// Rows that are decoded and held against the centres at a time.
const STEP: usize = 1 << 14;

/// How many cells there are of so many rows.
pub(crate) fn count(rows: usize) -> usize {
    if rows < LEAST_ROWS { 0 } else { (BY_ROOT * (rows as f64).sqrt()) as usize }
}

impl Cells {
    /// As a section of the file.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.of.iter().flat_map(|cell| cell.to_le_bytes()).chain(self.centres).collect()
    }
}

/// Find the cells. Vectors count as the metric takes them: of length 1 for the cosine, as they are for others.
///
/// # Errors
/// [`Error::Kernels`]: no memory, or an interruption.
pub(crate) fn find(corpus: Corpus<'_>, metric: Metric, seed: u64, options: Options<'_>) -> Result<Cells, Error> {
    let (rows, dimension) = (corpus.len(), corpus.dimension());
    let cells = count(rows);
    if cells == 0 {
        return Ok(Cells::default());
    }
    let seed = mixed(seed ^ OWN_SEED);
    let mut sample: Vec<usize> = (0..(cells * SAMPLED).min(MOST_SAMPLED))
        .map(|i| (mixed(seed ^ mixed(i as u64)) % rows as u64) as usize)
        .collect();
    // Of a row that was drawn twice, one is enough.
    sample.sort_unstable();
    sample.dedup();
    // One element more: see `nearest`.
    let wide = dimension + 1;
    let mut sampled = vec![0.0; sample.len() * wide];
    for (&row, vector) in sample.iter().zip(sampled.chunks_mut(wide)) {
        decode(corpus, row, metric, &mut vector[..dimension]);
    }
    let mean = mean(&sampled, wide);
    sampled.chunks_mut(wide).for_each(|vector| subtract(&mut vector[..dimension], &mean));
    let unit = unit(&sampled, wide);
    sampled.chunks_mut(wide).for_each(|vector| vector[dimension] = unit);
    let mut centres = vec![0.0; cells * wide];
    for (cell, centre) in centres.chunks_mut(wide).enumerate() {
        // Spread over all of the sample, which is in the order of rows.
        let at = cell * sample.len() / cells;
        centre.copy_from_slice(&sampled[at * wide..][..wide]);
    }
    for _ in 0..MOVES {
        let of = nearest(&sampled, &mut centres, wide, options, |i| sample[i])?;
        move_to_means(&mut centres, &sampled, &of, wide);
    }
    drop(sampled);
    let (mut of, mut some) = (Vec::with_capacity(rows), vec![unit; STEP.min(rows) * wide]);
    for first in (0..rows).step_by(STEP) {
        let count = STEP.min(rows - first);
        let some = &mut some[..count * wide];
        for (row, vector) in (first..).zip(some.chunks_mut(wide)) {
            decode(corpus, row, metric, &mut vector[..dimension]);
            subtract(&mut vector[..dimension], &mean);
        }
        of.extend(nearest(some, &mut centres, wide, options, |i| first + i)?);
    }
    for centre in centres.chunks_mut(wide) {
        centre.iter_mut().zip(&mean).for_each(|(x, mean)| *x += mean);
    }
    let mut records = vec![0; cells * record_bytes(dimension)];
    let centres = Rows::with_stride(&centres, dimension, wide, cells)?;
    Records::encode(Corpus::F32(centres), metric, &mut records, options)?;
    Ok(Cells { of, centres: records })
}

/// So that the draw is another than that of layers.
const OWN_SEED: u64 = 0x0063_656c_6c73;

fn decode(corpus: Corpus<'_>, row: usize, metric: Metric, vector: &mut [f32]) {
    corpus.decode(row, vector);
    if metric == Metric::Cosine {
        let norm = vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        if norm > 0.0 {
            for x in vector {
                *x = (f64::from(*x) / norm) as f32;
            }
        }
    }
}

/// The mean of vectors, without what is behind their own elements; zeros where that is no number. What is far from the origin
/// loses in products what makes it differ from others, so that all vectors are taken from their mean.
fn mean(vectors: &[f32], wide: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f64; wide - 1];
    for vector in vectors.chunks(wide) {
        sums.iter_mut().zip(vector).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let count = (vectors.len() / wide) as f64;
    let mean: Vec<f32> = sums.into_iter().map(|sum| (sum / count) as f32).collect();
    if mean.iter().all(|x| x.is_finite()) { mean } else { vec![0.0; wide - 1] }
}

/// Take a vector from the mean; a row that is finite stays so.
fn subtract(vector: &mut [f32], mean: &[f32]) {
    for (x, mean) in vector.iter_mut().zip(mean).filter(|(x, _)| x.is_finite()) {
        *x = (*x - mean).clamp(f32::MIN, f32::MAX);
    }
}

/// About how long vectors are, whose last elements are zeros: what stands there is to be as long as they are, or a search for
/// the greatest product would take it for all there is, or for nothing.
fn unit(vectors: &[f32], wide: usize) -> f32 {
    let squares: f64 = vectors.iter().map(|&x| f64::from(x).powi(2)).sum();
    let unit = (squares / (vectors.len() / wide) as f64).sqrt() as f32;
    if unit.is_normal() { unit } else { 1.0 }
}

/// Of each vector, the nearest centre. `row`: the row of the corpus that it is.
///
/// |x - c|² is least where x c - |c|² / 2 is greatest: a product, which takes half as long as a difference, of vectors of `wide`
/// elements, of which the last is the same in all x, and made what it must be in c.
fn nearest(
    vectors: &[f32],
    centres: &mut [f32],
    wide: usize,
    options: Options<'_>,
    row: impl Fn(usize) -> usize,
) -> Result<Vec<u32>, Error> {
    let unit = vectors.get(wide - 1).map_or(1.0, |&unit| f64::from(unit));
    for centre in centres.chunks_mut(wide) {
        let (own, last) = centre.split_at_mut(wide - 1);
        let square: f64 = own.iter().map(|&x| f64::from(x).powi(2)).sum();
        last[0] = (square / (-2.0 * unit)).max(f64::from(f32::MIN)) as f32;
    }
    let (vectors, centres) = (Rows::new(vectors, wide)?, Rows::new(centres, wide)?);
    let found = top_k(vectors, Corpus::F32(centres), 1, Metric::InnerProduct, Options { mapped: false, ..options });
    let found = found.map_err(|fault| match fault {
        Fault::Query(i) => Fault::Row(row(i)),
        other => other,
    })?;
    Ok(found.indices.into_iter().map(|cell| cell as u32).collect())
}

/// Move centres to the means of what is nearest to them; one to which nothing is stays.
fn move_to_means(centres: &mut [f32], vectors: &[f32], of: &[u32], wide: usize) {
    let mut sums = vec![0.0_f64; centres.len()];
    let mut counts = vec![0_u32; centres.len() / wide];
    for (&cell, vector) in of.iter().zip(vectors.chunks(wide)) {
        counts[cell as usize] += 1;
        let sum = &mut sums[cell as usize * wide..][..wide];
        sum.iter_mut().zip(vector).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    for ((centre, sum), &count) in centres.chunks_mut(wide).zip(sums.chunks(wide)).zip(&counts) {
        if count > 0 {
            centre.iter_mut().zip(sum).for_each(|(to, &sum)| *to = (sum / f64::from(count)) as f32);
        }
    }
}

/// What may be left in cells that are not looked at, as a share of what is nearest.
pub(crate) fn left(ef: usize) -> f64 {
    LEFT / (ef.min(SAID) as f64).powf(LESS)
}

/// Cells that are looked at for a recall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ranks {
    /// How many there are.
    pub(crate) cells: usize,
    /// Of neighbours of rows, how many cells are nearer than theirs, ascending.
    ranks: Vec<usize>,
}

/// Rows whose neighbours are ranked, and how many of each.
const RANKED: usize = 256;
const NEAREST: usize = 8;

/// What may be left in cells that are not looked at, as a share of neighbours: this over the power of `ef`, which is about
/// what a walk with that `ef` misses (of 100,000 rows of topics, half of them ruled out, a twentieth at 14 and a hundredth
/// at 38).
const LEFT: f64 = 2.3;
const LESS: f64 = 1.5;

/// The `ef` up to which the ranks of some thousand neighbours say how many cells; beyond, as many times more.
const SAID: usize = 64;

/// How many more cells for a filter that leaves half: the nearest that it leaves are farther.
const SPARSE: f64 = 0.25;

impl Ranks {
    /// Measure them. `neighbours`: rows that a row is linked to; `of`: of each row, its cell.
    pub(crate) fn new<'n>(
        space: &Space<'_>,
        (centres, of): (&Space<'_>, &[u32]),
        dimension: usize,
        neighbours: impl Fn(u32) -> &'n [u32],
    ) -> Self {
        let (mut point, mut distances) = (Point::new(dimension), Vec::new());
        let (all, mut ranks): (Vec<u32>, _) = ((0..centres.len() as u32).collect(), Vec::new());
        for row in (0..space.len() as u32).step_by(space.len().div_ceil(RANKED)) {
            let mut near: Vec<u32> = neighbours(row).iter().copied().filter(|&to| (to as usize) < of.len()).collect();
            space.set_row(&mut point, row);
            space.distances(&mut point, &near, &mut distances);
            let mut by_distance: Vec<u64> = distances.iter().zip(&near).map(|(&d, &to)| entry(d, to)).collect();
            by_distance.sort_unstable();
            near.clear();
            near.extend(by_distance.into_iter().take(NEAREST).map(node));
            centres.distances(&mut point, &all, &mut distances);
            ranks.extend(near.into_iter().filter_map(|to| {
                let own = distances.get(of[to as usize] as usize)?;
                Some(distances.iter().filter(|&other| other < own).count())
            }));
        }
        ranks.sort_unstable();
        Self { cells: centres.len(), ranks }
    }

    /// How many of the nearest cells are looked at for an effort, where a filter leaves this share of rows.
    pub(crate) fn probes(&self, ef: usize, share: f64) -> usize {
        let at = ((1.0 - left(ef)).max(0.0) * self.ranks.len() as f64) as usize;
        let Some(&rank) = self.ranks.get(at.min(self.ranks.len().saturating_sub(1))) else { return self.cells };
        let more = (ef as f64 / SAID as f64).max(1.0) * share.max(f64::MIN_POSITIVE).powf(-SPARSE);
        (((rank + 1) as f64 * more) as usize).clamp(1, self.cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of a few places, far from one another and from the origin as `unit` and `offset` say.
    fn rows(count: usize, dimension: usize, unit: f32, offset: f32) -> Vec<f32> {
        let number = |i: u64| (mixed(i) >> 40) as f32 / (1_u64 << 24) as f32 - 0.5;
        let element = move |row: usize, d: usize| {
            let place = number((mixed(row as u64) % 40 * 1000 + d as u64) ^ 0x55);
            offset + unit * (place + 0.2 * number((row * dimension + d) as u64))
        };
        (0..count).flat_map(|row| (0..dimension).map(move |d| element(row, d))).collect()
    }

    /// Each row is in the cell whose centre is nearest, but for what rounding does, wherever rows lie and however long they are.
    #[test]
    fn rows_are_in_the_cells_of_their_nearest_centres() {
        for (metric, dimension, unit, offset) in [
            (Metric::L2, 33, 1.0, 0.0),
            (Metric::L2, 64, 1.0, 5.0),
            (Metric::InnerProduct, 65, 1e4, -1e4),
            (Metric::L2, 40, 1e-5, 0.0),
            (Metric::Cosine, 48, 300.0, 20.0),
        ] {
            let count = LEAST_ROWS + 7;
            let data = rows(count, dimension, unit, offset);
            let corpus = Corpus::F32(Rows::new(&data, dimension).unwrap());
            let found = find(corpus, metric, 3, Options { threads: 2, ..Options::default() }).unwrap();
            let cells = super::count(count);
            let records = Records::new(&found.centres, dimension, cells).unwrap();
            // As codes have them, so that a centre is off by half a step of its own.
            let centres: Vec<Vec<f32>> = (0..cells).map(|cell| records.vector(cell)).collect();
            let (mut off, mut vector) = (0, vec![0.0; dimension]);
            for (row, &cell) in found.of.iter().enumerate() {
                decode(corpus, row, metric, &mut vector);
                let distance = |centre: &Vec<f32>| -> f64 {
                    centre.iter().zip(&vector).map(|(&c, &x)| f64::from(c - x).powi(2)).sum()
                };
                let least = centres.iter().map(distance).fold(f64::INFINITY, f64::min);
                let step =
                    f64::from(records.vector(cell as usize).iter().fold(0.0_f32, |most, x| most.max(x.abs()))) / 127.0;
                let own = distance(&centres[cell as usize]).sqrt();
                off += usize::from(own > least.sqrt() + step * (dimension as f64).sqrt());
            }
            assert_eq!(off, 0, "{metric:?} {dimension} {unit} {offset}");
        }
    }

    /// What differs by more than f32 holds, and what is no number, is told from it.
    #[test]
    fn wide_rows_are_found_and_bad_ones_named() {
        let (count, dimension) = (LEAST_ROWS, 8);
        let mut data = rows(count, dimension, 1.0, 0.0);
        for (row, vector) in data.chunks_mut(dimension).enumerate() {
            vector[3] = if row == 11 { 3e38 } else { -3e38 };
        }
        let find_in = |data: &[f32]| {
            find(Corpus::F32(Rows::new(data, dimension).unwrap()), Metric::L2, 3, Options::default())
                .map(|found| found.of.len())
        };
        assert_eq!(find_in(&data), Ok(count));
        data[5 * dimension] = f32::INFINITY;
        assert_eq!(find_in(&data), Err(Error::Kernels(crossfade_kernels::Error::Row(5))));
    }
}
