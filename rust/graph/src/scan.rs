//! A scan of the signs of all rows that may be found, instead of a walk.
//!
//! The rows that differ in the fewest signs are compared by sketches and by codes, the nearest of those are scored
//! exactly, as after a walk.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crossfade_kernels::{
    Error as Fault, Mask, Nearest, Options, Point, Rows, Signs, Sketches, TopK, for_each, threads,
};

use crate::error::Error;
use crate::kept::Known;
use crate::layer::NONE;
use crate::open::Graph;
use crate::pool::{Pool, node};
use crate::scratch::{Lent, Scratch};
use crate::search::Task;
use crate::twins::Twins;

/// What a scan reads.
pub(crate) struct Scan<'s> {
    pub(crate) signs: Arc<Signs>,
    pub(crate) sketches: &'s Sketches,
}

/// Queries that a thread scans for at the same time: a block of rows that one has brought near serves all.
pub(crate) const TOGETHER: usize = 16;

/// Candidates that are sifted, and compared, at a time.
const CHUNK: usize = 16;

/// The nearest that are asked whether they came early, or k where that is more.
const LOOKED_AT: usize = 10;

/// One in so many may be in the later half. With none of ten, filters that went with topics cost a hundredth of a walk's
/// recall at most, where a scan alone had lost a fifth; of queries under a filter that did not, at ef 64, none was in doubt.
const LATE: usize = 20;

/// How many times as many are looked for as are compared at first: the others are compared too where the nearest came
/// late, before a scan is given up. With four times, of 10,000 rows no sample sets the bound, and a scan took half as
/// long again; with one, a query in four was given up that had found what it should.
pub(crate) const WIDER: usize = 2;

/// Words of signs that are worth another thread, which takes its time to come: of 50,000 rows one took as long as two.
/// Tests have fewer rows.
const SPLIT: usize = if cfg!(test) { 8_000 } else { 300_000 };

/// The signs of the rows that may be found, as they are kept, or laid side by side and kept.
pub(crate) fn lay<'s>(
    graph: &Graph,
    (sketches, known): (&'s Sketches, Known),
    (mask, twins): (Option<Mask<'_>>, Twins<'_>),
    options: Options<'_>,
) -> Result<Scan<'s>, Error> {
    if let Known::Laid(signs) = known {
        return Ok(Scan { signs, sketches });
    }
    let signs = Arc::new(sketches.signs(nodes(graph.facts().rows, mask, twins), options)?);
    // As much as the sketches themselves at most.
    graph.kept.keep(mask, Arc::clone(&signs), sketches.nbytes());
    Ok(Scan { signs, sketches })
}

/// The nodes that count: of equal rows the first, if one of them may be found. None for all rows.
fn nodes(rows: usize, mask: Option<Mask<'_>>, twins: Twins<'_>) -> Option<Vec<u32>> {
    if twins.0.is_empty() {
        return mask.map(|mask| mask.set());
    }
    let mut is_first = vec![true; rows];
    for &next in twins.0.iter().filter(|&&next| next != NONE) {
        // Of a damaged file, it may be no row.
        if let Some(first) = is_first.get_mut(next as usize) {
            *first = false;
        }
    }
    let may = |row: u32| mask.is_none_or(|mask| twins.of(row).any(|row| mask.has(row as usize)));
    Some((0..rows as u32).filter(|&row| is_first[row as usize] && may(row)).collect())
}

impl Task<'_> {
    /// Scan for some queries together. None for one that finds too few, or is in doubt.
    pub(crate) fn scan_some(
        &self,
        scan: &Scan<'_>,
        numbers: Range<usize>,
        queries: Rows<'_, f32>,
        lent: &mut [Lent<'_>],
    ) -> Vec<Result<Option<TopK>, Fault>> {
        let mut scratches: Vec<&mut Scratch> = lent.iter_mut().take(numbers.len()).map(Lent::get).collect();
        for (number, scratch) in numbers.clone().zip(&mut scratches) {
            self.aim(scan, queries.row(number), &mut scratch.point);
        }
        let mut pairs: Vec<(&Point, &mut Nearest)> = Vec::with_capacity(scratches.len());
        for scratch in &mut scratches {
            let Scratch { point, near, .. } = &mut **scratch;
            scan.signs.begin(point, self.looked_for(), near);
            pairs.push((point, near));
        }
        scan.signs.scan(0..scan.signs.len(), &mut pairs);
        let scored = numbers.zip(scratches).map(|(number, scratch)| {
            if self.refine(scan, scratch) { self.score(queries.row(number), scratch) } else { Ok(None) }
        });
        scored.collect()
    }

    /// The same for the only query, on several threads where that pays.
    pub(crate) fn scan_alone(
        &self,
        scan: &Scan<'_>,
        query: &[f32],
        scratch: &mut Scratch,
        options: Options<'_>,
    ) -> Result<Option<TopK>, Fault> {
        self.aim(scan, query, &mut scratch.point);
        let Scratch { point, near, .. } = &mut *scratch;
        let point = &*point;
        scan.signs.begin(point, self.looked_for(), near);
        let words = scan.signs.len() * self.work.facts.dimension.div_ceil(u64::BITS as usize);
        let parts = scan.signs.parts(threads(options).min(words / SPLIT).max(1));
        let slots: Vec<Mutex<Nearest>> = parts.iter().map(|_| Mutex::new(near.another())).collect();
        for_each(
            parts.len(),
            options,
            || (),
            |(), part, _| {
                let mut nearest = slots[part].lock().unwrap_or_else(PoisonError::into_inner);
                scan.signs.scan(parts[part].clone(), &mut [(point, &mut *nearest)]);
            },
        )?;
        let mut found = slots.into_iter().map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner));
        // In the order of rows, so that those that differ as much are taken in that order.
        *near = found.next().unwrap_or_default();
        found.for_each(|part| near.absorb(&part));
        if self.refine(scan, scratch) { self.score(query, scratch) } else { Ok(None) }
    }

    fn aim(&self, scan: &Scan<'_>, query: &[f32], point: &mut Point) {
        self.space.set(point, query);
        scan.sketches.set_signs(point, query, self.work.facts.metric);
    }

    /// Rows that a scan looks for.
    fn looked_for(&self) -> usize {
        self.work.candidates().saturating_mul(if self.doubts { WIDER } else { 1 })
    }

    /// Compare what a scan found, the first by signs first: fill the scratch's pool with the nearest. More of them, as
    /// long as the nearest come late; false where that does not end.
    fn refine(&self, scan: &Scan<'_>, scratch: &mut Scratch) -> bool {
        let Scratch { near, pool, nodes, rows, from, distances, point, late, .. } = scratch;
        let space = &self.space;
        scan.signs.end(point, near);
        near.rows(&scan.signs, rows);
        pool.reset(self.most());
        nodes.clear();
        let (mut done, mut to) = (0, self.work.candidates().min(rows.len()));
        loop {
            for &row in &rows[done..to] {
                space.fetch_sketch(row);
            }
            // Some are sifted, and their codes fetched, before those that came before are compared.
            for some in rows[done..to].chunks(CHUNK).chain([&[][..]]) {
                from.clear();
                from.extend_from_slice(some);
                match pool.worst() {
                    Some(worst) => space.sift(point, from, |row| row, worst),
                    None => from.iter().for_each(|&row| space.fetch_row(row)),
                }
                space.distances(point, nodes, distances);
                for (&row, &distance) in nodes.iter().zip(&*distances) {
                    pool.insert(distance, row);
                }
                std::mem::swap(nodes, from);
            }
            nodes.clear();
            if !self.doubts || to >= scan.signs.len() || !self.come_late(pool, &rows[to / 2..to], late) {
                return true;
            }
            if to >= rows.len() {
                return false;
            }
            (done, to) = (to, (2 * to).min(rows.len()));
        }
    }

    /// Whether the nearest of what was compared say that nearer ones may be among what was not. `second`: the later half.
    ///
    /// Where signs tell near from far, the nearest by codes are among the first by signs. Under a filter that leaves what
    /// is far from the query they may tell nothing: then the nearest lie anywhere, and some in the later half.
    fn come_late(&self, pool: &Pool, second: &[u32], nearest: &mut Vec<u32>) -> bool {
        nearest.clear();
        nearest.extend(pool.entries().iter().take(self.k.max(LOOKED_AT)).map(|&entry| node(entry)));
        nearest.sort_unstable();
        let late = second.iter().filter(|row| nearest.binary_search(row).is_ok()).count();
        late > nearest.len() / LATE
    }
}
