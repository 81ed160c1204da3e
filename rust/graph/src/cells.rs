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
    let mut sampled = vec![1.0; sample.len() * wide];
    for (&row, vector) in sample.iter().zip(sampled.chunks_mut(wide)) {
        decode(corpus, row, metric, &mut vector[..dimension]);
    }
    let mean = mean(&sampled, wide);
    sampled.chunks_mut(wide).for_each(|vector| subtract(&mut vector[..dimension], &mean));
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
    let (mut of, mut some) = (Vec::with_capacity(rows), vec![1.0; STEP.min(rows) * wide]);
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

/// The mean of vectors, without what is behind their own elements. What is far from the origin loses in products what makes it
/// differ from others, so that all vectors are taken from their mean.
fn mean(vectors: &[f32], wide: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f64; wide - 1];
    for vector in vectors.chunks(wide) {
        sums.iter_mut().zip(vector).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let count = (vectors.len() / wide) as f64;
    sums.into_iter().map(|sum| (sum / count) as f32).collect()
}

fn subtract(vector: &mut [f32], mean: &[f32]) {
    vector.iter_mut().zip(mean).for_each(|(x, mean)| *x -= mean);
}

/// Of each vector, the nearest centre. `row`: the row of the corpus that it is.
///
/// |x - c|² is least where x c - |c|² / 2 is greatest: a product, which takes half as long as a difference, of vectors of `wide`
/// elements, of which the last is 1 in x, and made what it must be in c.
fn nearest(
    vectors: &[f32],
    centres: &mut [f32],
    wide: usize,
    options: Options<'_>,
    row: impl Fn(usize) -> usize,
) -> Result<Vec<u32>, Error> {
    for centre in centres.chunks_mut(wide) {
        let (own, last) = centre.split_at_mut(wide - 1);
        let square: f64 = own.iter().map(|&x| f64::from(x).powi(2)).sum();
        last[0] = (square / -2.0).max(f64::from(f32::MIN)) as f32;
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
