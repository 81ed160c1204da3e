//! A scan of the signs of all rows that may be found, or of their levels, instead of a walk.
//!
//! The rows that differ least are compared by sketches and by codes, the nearest of those are scored
//! exactly, as after a walk.

use std::ops::Range;
use std::slice::from_ref;
use std::sync::{Arc, Mutex, PoisonError};

use crossfade_kernels::{Error as Fault, Mask, Nearest, Options, Point, Rows, Sketches, TopK, for_each, threads};

use crate::cells::left;
use crate::error::Error;
use crate::kept::{Known, Laid};
use crate::layer::NONE;
use crate::open::{Graph, Sections};
use crate::pool::{Pool, distance, entry, node};
use crate::scratch::{Lent, Scratch};
use crate::search::Task;
use crate::twins::Twins;

/// What a scan reads.
pub(crate) struct Scan<'s> {
    pub(crate) laid: Arc<Laid>,
    pub(crate) sketches: &'s Sketches,
}

/// Queries that a thread scans for at the same time: a block of rows that one has brought near serves all.
pub(crate) const TOGETHER: usize = 16;

/// Candidates that are sifted, and compared, at a time.
const CHUNK: usize = 16;

/// The nearest that are asked whether they came early, or k where that is more.
pub(crate) const LOOKED_AT: usize = 10;

/// One in so many may be in the later half. With none of ten, filters that went with topics cost a hundredth of a walk's
/// recall at most, where a scan alone had lost a fifth; of queries under a filter that did not, at ef 64, none was in doubt.
const LATE: f64 = 20.0;

/// How many times as many as may be missed; see `left`.
const LATER: f64 = 2.0;

/// Rows up to which all distances are written down; see `crossfade_kernels::Measured`.
const MEASURED: usize = if cfg!(test) { 4_000 } else { 1 << 15 };

/// Rows that are measured for one query after another.
const BLOCK: usize = 512;

/// How many are held besides k: as many as `ef`, from so many to so many for ten that are asked for.
const LEAST_HELD: usize = 10;
const MOST_HELD: usize = 64;

/// Candidates whose sketches are fetched a step before they are looked at.
const FETCHED: usize = 32;

/// How many times as many candidates are compared, of those that were measured, in doubt, and at most before a scan is given
/// up.
const MORE: usize = 2;
const MOST_MORE: usize = 16;

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
    (file, sections): (&[u8], &Sections<'_>),
    (sketches, known): (&'s Sketches, Known),
    (mask, allowed): (Option<Mask<'_>>, usize),
    options: Options<'_>,
) -> Result<Scan<'s>, Error> {
    if let Known::Laid(laid) = known {
        return Ok(Scan { laid, sketches });
    }
    let nodes = nodes(graph.facts().rows, mask, sections.twins);
    let laid = Arc::new(match graph.cells(file, options)? {
        None => Laid { signs: sketches.signs(nodes, options)?, allowed, ..Laid::default() },
        Some((_, centres)) => {
            let nodes = nodes.unwrap_or_else(|| (0..graph.facts().rows as u32).collect());
            let (nodes, cells, starts) = by_cell(&nodes, sections.cells, centres.len());
            Laid {
                signs: sketches.signs(Some(nodes), options)?,
                allowed,
                centres: centres.of_places(&cells),
                cells,
                starts,
            }
        }
    });
    // About as much as the sketches themselves at most, and all rows in any case.
    graph.kept.keep(mask, Arc::clone(&laid), sketches.nbytes() + sketches.nbytes() / 8);
    Ok(Scan { laid, sketches })
}

/// Nodes in the order of their cells, and in each in theirs; the cells that have some, and where those begin, and the end.
fn by_cell(nodes: &[u32], of: &[u32], cells: usize) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
    // Of a damaged file, a cell may be none.
    let cell = |node: u32| (of[node as usize] as usize).min(cells - 1);
    let mut begins = vec![0_u32; cells + 1];
    for &node in nodes {
        begins[cell(node) + 1] += 1;
    }
    for cell in 0..cells {
        begins[cell + 1] += begins[cell];
    }
    let filled: Vec<u32> = (0..cells as u32).filter(|&c| begins[c as usize] < begins[c as usize + 1]).collect();
    let starts = filled.iter().map(|&c| begins[c as usize]).chain([nodes.len() as u32]).collect();
    let mut ordered = vec![0; nodes.len()];
    for &node in nodes {
        let at = &mut begins[cell(node)];
        ordered[*at as usize] = node;
        *at += 1;
    }
    (ordered, filled, starts)
}

/// The nodes that count: of equal rows the first, if one of them may be found. None for all rows.
pub(crate) fn nodes(rows: usize, mask: Option<Mask<'_>>, twins: Twins<'_>) -> Option<Vec<u32>> {
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

/// After all rows were looked at: fill the scratch's rows with the nearest.
fn end(scan: &Scan<'_>, scratch: &mut Scratch) {
    let Scratch { point, near, rows, .. } = scratch;
    scan.laid.signs.end(point, near);
    near.rows(&scan.laid.signs, rows);
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
        if scan.laid.signs.len() <= MEASURED {
            return self.measure_some(scan, numbers, queries, scratches);
        }
        let mut pairs: Vec<(&Point, &mut Nearest)> = Vec::with_capacity(scratches.len());
        for scratch in &mut scratches {
            let Scratch { point, near, .. } = &mut **scratch;
            scan.laid.signs.begin(point, self.looked_for(), near);
            pairs.push((point, near));
        }
        scan.laid.signs.scan(0..scan.laid.signs.len(), &mut pairs);
        let scored = numbers.zip(scratches).map(|(number, scratch)| {
            end(scan, scratch);
            if self.refine(0, scan.laid.signs.len(), scratch) {
                self.score(queries.row(number), scratch)
            } else {
                Ok(None)
            }
        });
        scored.collect()
    }

    /// The same where all distances are written down.
    fn measure_some(
        &self,
        scan: &Scan<'_>,
        numbers: Range<usize>,
        queries: Rows<'_, f32>,
        mut scratches: Vec<&mut Scratch>,
    ) -> Vec<Result<Option<TopK>, Fault>> {
        let signs = &scan.laid.signs;
        for scratch in &mut scratches {
            scratch.measured.clear();
        }
        for first in (0..signs.len()).step_by(BLOCK) {
            let block = first..signs.len().min(first + BLOCK);
            for scratch in &mut scratches {
                let Scratch { point, measured, .. } = &mut **scratch;
                signs.measure(from_ref(&block), point, measured);
            }
        }
        for scratch in &mut scratches {
            self.take_measured(scan, scratch);
        }
        let enough: Vec<bool> = scratches
            .iter_mut()
            .map(|scratch| {
                let enough = self.compare(scan, signs.len(), scratch).is_some();
                self.fetch_best(scratch);
                enough
            })
            .collect();
        let scored = numbers.zip(enough).zip(scratches).map(|((number, enough), scratch)| {
            if enough { self.score(queries.row(number), scratch) } else { Ok(None) }
        });
        scored.collect()
    }

    /// Fill the scratch's rows with the nearest of what was measured, and fetch what a look at the first will read.
    pub(crate) fn take_measured(&self, scan: &Scan<'_>, scratch: &mut Scratch) {
        let Scratch { measured, rows, .. } = &mut *scratch;
        measured.nearest(&scan.laid.signs, self.work.candidates(self.plan), rows);
        for &row in rows.iter().take(FETCHED) {
            self.space.fetch_sketch(row);
        }
    }

    /// Compare what was measured. More of it, as long as the nearest come late; None where that does not end, or as far as how
    /// many it went. `all`: how many rows were measured.
    pub(crate) fn compare(&self, scan: &Scan<'_>, all: usize, scratch: &mut Scratch) -> Option<usize> {
        let (mut compared, mut most) = (0, self.work.candidates(self.plan));
        while !self.refine(compared, all, scratch) {
            // Their distances lie here still: to take more of them, which begin with these, costs little.
            (compared, most) = (scratch.rows.len(), most * MORE);
            if most > self.work.candidates(self.plan) * MOST_MORE {
                return None;
            }
            let Scratch { measured, rows, .. } = &mut *scratch;
            measured.nearest(&scan.laid.signs, most, rows);
        }
        Some(most)
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
        if scan.laid.signs.len() <= MEASURED {
            let Scratch { point, measured, .. } = &mut *scratch;
            measured.clear();
            scan.laid.signs.measure(from_ref(&(0..scan.laid.signs.len())), point, measured);
            self.take_measured(scan, scratch);
            let enough = self.compare(scan, scan.laid.signs.len(), scratch).is_some();
            self.fetch_best(scratch);
            return if enough { self.score(query, scratch) } else { Ok(None) };
        }
        let Scratch { point, near, .. } = &mut *scratch;
        let point = &*point;
        scan.laid.signs.begin(point, self.looked_for(), near);
        let words = scan.laid.signs.len() * scan.sketches.words();
        let parts = scan.laid.signs.parts(threads(options).min(words / SPLIT).max(1));
        let slots: Vec<Mutex<Nearest>> = parts.iter().map(|_| Mutex::new(near.another())).collect();
        for_each(
            parts.len(),
            options,
            || (),
            |(), part, _| {
                let mut nearest = slots[part].lock().unwrap_or_else(PoisonError::into_inner);
                scan.laid.signs.scan(parts[part].clone(), &mut [(point, &mut *nearest)]);
            },
        )?;
        let mut found = slots.into_iter().map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner));
        // In the order of rows, so that those that differ as much are taken in that order.
        *near = found.next().unwrap_or_default();
        found.for_each(|part| near.absorb(&part));
        end(scan, scratch);
        if self.refine(0, scan.laid.signs.len(), scratch) { self.score(query, scratch) } else { Ok(None) }
    }

    pub(crate) fn aim(&self, scan: &Scan<'_>, query: &[f32], point: &mut Point) {
        self.space.set(point, query);
        scan.sketches.set_signs(point, query);
    }

    /// Rows that a scan looks for.
    pub(crate) fn looked_for(&self) -> usize {
        self.work.candidates(self.plan).saturating_mul(if self.doubts { WIDER } else { 1 })
    }

    /// Compare what a scan found, which is in the scratch's rows, the first by signs first: fill the scratch's pool with the
    /// nearest. More of them, as long as the nearest come late; false where that does not end.
    pub(crate) fn refine(&self, compared: usize, all: usize, scratch: &mut Scratch) -> bool {
        let (mut done, mut to) = (compared, scratch.rows.len());
        if compared == 0 {
            scratch.pool.reset(self.held());
            to = to.min(self.work.candidates(self.plan));
        }
        loop {
            self.compare_rows(done..to, scratch);
            let Scratch { pool, rows, late, .. } = &mut *scratch;
            if !self.doubts || to >= all || !self.come_late(pool, &rows[to / 2..to], late) {
                return true;
            }
            if to >= rows.len() {
                return false;
            }
            (done, to) = (to, (2 * to).min(rows.len()));
        }
    }

    /// Compare some of the scratch's rows: those that may be near by their sketches, by codes, and put them into its pool.
    pub(crate) fn compare_rows(&self, some: Range<usize>, scratch: &mut Scratch) {
        let Scratch { pool, nodes, rows, from, order, distances, point, .. } = scratch;
        let (space, rows) = (&self.space, &rows[some]);
        space.least_distances(point, rows, distances);
        order.clear();
        order.extend(rows.iter().zip(&*distances).map(|(&row, &least)| entry(least, row)));
        // The nearest first, as many as are held: they rule out most of the others.
        let first = self.held().min(order.len());
        if first < order.len() {
            order.select_nth_unstable(first);
        }
        let (first, others) = order.split_at(first);
        nodes.clear();
        nodes.extend(first.iter().map(|&least| node(least)));
        for &row in &*nodes {
            space.fetch_row(row);
        }
        space.distances(point, nodes, distances);
        nodes.iter().zip(&*distances).for_each(|(&row, &distance)| pool.insert(distance, row));
        // Of the others some are chosen, and their codes fetched, before those that came before are compared.
        nodes.clear();
        for some in others.chunks(CHUNK).chain([&[][..]]) {
            // Sketches are off by more than codes: as far as the worst of more than are asked for.
            let worst = pool.worst().unwrap_or(f32::INFINITY);
            from.clear();
            from.extend(some.iter().filter(|&&least| distance(least) <= worst).map(|&least| node(least)));
            for &row in &*from {
                space.fetch_row(row);
            }
            space.distances(point, nodes, distances);
            nodes.iter().zip(&*distances).for_each(|(&row, &distance)| pool.insert(distance, row));
            std::mem::swap(nodes, from);
        }
    }

    /// How many of the nearest by codes are held, so that what is by its sketch farther than the worst of them is left out:
    /// sketches are off by more than codes, and the more are held, the less is lost. (Of 100,000 rows of topics, one in ten of
    /// them allowed, 0.999 of the nearest ten were found with 36 held, however many were compared, and all with 70. With the
    /// 20 of the least `ef`, 0.992 where 26 found 0.994; of half of them, whole topics, 0.956 and 0.959.)
    fn held(&self) -> usize {
        let tens = self.k.div_ceil(10);
        self.k + self.work.ef.clamp(LEAST_HELD.saturating_mul(tens), MOST_HELD.saturating_mul(tens))
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
        late > self.may_be_late(nearest.len())
    }

    /// How many of the nearest may be in the later half without a doubt. Where some may be missed, about as many are late.
    pub(crate) fn may_be_late(&self, nearest: usize) -> usize {
        (nearest as f64 * (LATER * left(self.work.ef)).max(1.0 / LATE)) as usize
    }
}
