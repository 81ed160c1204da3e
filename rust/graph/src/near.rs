//! A scan of the cells that are near a query, instead of all rows that may be found.
//!
//! Cells come nearest first, so that what is found in the first says how near the others must be. A query whose nearest
//! come from the later half of the cells that were looked at gets half as many again: filters that go with places, and
//! queries between cells, ask for more than most. Whose nearest come late after that was done some times is walked for.

use std::slice::from_ref;

use crossfade_kernels::{Error as Fault, Space, TopK};

use crate::pool::{Pool, entry, node};
use crate::scan::{LOOKED_AT, Scan};
use crate::scratch::Scratch;
use crate::search::Task;

/// What tells which cells are near.
pub(crate) struct Near<'s> {
    pub(crate) centres: Space<'s>,
    /// Of each row, its cell.
    pub(crate) of: &'s [u32],
    /// Cells that are looked at, but for a query in doubt.
    pub(crate) probes: usize,
}

/// Of cells, those whose centres are compared by their codes, the nearest by signs, or by levels, which tell more: so many in
/// four for each that is looked at, and so many more.
const BY_SIGNS: (usize, usize) = (8, 16);
const BY_LEVELS: (usize, usize) = (5, 8);

impl Near<'_> {
    /// Fill the scratch's cells with those whose centres differ least from the point by what is laid, and their distances.
    fn first(&self, scan: &Scan<'_>, most: usize, scratch: &mut Scratch) {
        let Scratch { point, measured, rows, .. } = &mut *scratch;
        let signs = &scan.laid.centres;
        measured.clear();
        signs.measure(from_ref(&(0..signs.len())), point, measured);
        measured.nearest_places(signs, most, rows);
        self.compare(scan, scratch);
    }

    /// The same with all that have no rank.
    fn others(&self, scan: &Scan<'_>, scratch: &mut Scratch) {
        let Scratch { rows, ranks, .. } = &mut *scratch;
        let places = (0..).zip(&scan.laid.cells);
        rows.clear();
        rows.extend(places.filter(|&(_, &cell)| ranks[cell as usize] == NO_RANK).map(|(place, _)| place));
        self.compare(scan, scratch);
    }

    /// Look at the rows of the nearest cells that were not looked at, up to so many in all.
    fn scan_cells(&self, scan: &Scan<'_>, to: usize, on: &mut On, scratch: &mut Scratch) {
        // Of those that differ least, not so many are left.
        if scratch.cells.len() < to - on.done {
            self.others(scan, scratch);
        }
        on.rows += rank(scan, (on.done, to), scratch);
        on.done = to;
        let Scratch { runs, point, measured, .. } = &mut *scratch;
        scan.laid.signs.measure(runs, point, measured);
    }

    /// The distances of the cells at the places in the scratch's rows.
    fn compare(&self, scan: &Scan<'_>, scratch: &mut Scratch) {
        let Scratch { point, rows, nodes, cells, distances, .. } = scratch;
        nodes.clear();
        nodes.extend(rows.iter().map(|&place| scan.laid.cells[place as usize]));
        self.centres.distances(point, nodes, distances);
        cells.clear();
        cells.extend(rows.iter().zip(&*distances).map(|(&place, &distance)| entry(distance, place)));
    }
}

/// Rows that are looked at, at least, for each that is compared.
pub(crate) const ROWS_FOR_EACH: usize = 8;

/// How often a query gets more cells because its nearest come late. (Half as many again twice finds what as many again once
/// did, in 3 to 5 % less time: 100,000 rows of topics, half of them ruled out. With twice, one query in a hundred is walked for
/// after that, which takes three times as long as a scan, and at the end of a batch, while the other threads wait.)
const DOUBTS: usize = 4;

/// The rank of a cell that was not looked at.
const NO_RANK: u32 = u32::MAX;

/// How far a query has come.
#[derive(Default)]
struct On {
    /// Cells that were looked at, and their rows.
    done: usize,
    rows: usize,
    /// Where the distances begin of rows that were not compared yet, and as far as how many went that were.
    compared: usize,
    most: usize,
}

impl Task<'_> {
    /// Scan for a query. None for one that finds too few, or is in doubt. (To take steps of other queries between those of
    /// one, so that none waits for memory, gains nothing: each fetches what it reads next.)
    pub(crate) fn scan_near(
        &self,
        (scan, near): (&Scan<'_>, &Near<'_>),
        query: &[f32],
        scratch: &mut Scratch,
    ) -> Result<Option<TopK>, Fault> {
        self.aim(scan, query, &mut scratch.point);
        let all = scan.laid.cells.len();
        let first = near.probes.min(all);
        scratch.ranks.clear();
        scratch.ranks.resize(near.centres.len(), NO_RANK);
        // A filter may leave a row or two of each.
        let least = (ROWS_FOR_EACH * self.work.candidates(self.plan) * all).div_ceil(scan.laid.signs.len().max(1));
        let (fours, more) = if scan.sketches.have_levels() { BY_LEVELS } else { BY_SIGNS };
        near.first(scan, (first.max(least) * fours / 4 + more).min(all), scratch);
        scratch.measured.clear();
        let mut on = On::default();
        near.scan_cells(scan, first, &mut on, scratch);
        if self.compare_found((scan, near), &mut on, scratch) { self.score(query, scratch) } else { Ok(None) }
    }

    /// Compare what was found, and go on to more cells as long as that is too few, and where the nearest come late. False for a
    /// query that is in doubt still.
    fn compare_found(&self, (scan, near): (&Scan<'_>, &Near<'_>), on: &mut On, scratch: &mut Scratch) -> bool {
        let all = scan.laid.cells.len();
        let mut doubts = 0;
        loop {
            // A filter may leave a row or two of each, or nothing of those that are nearest.
            let mut more = on.done;
            if on.rows >= ROWS_FOR_EACH * self.work.candidates(self.plan) || on.done == all {
                if !self.compare_new(scan, on, scratch) {
                    return false;
                }
                let ranks = (&*scratch.ranks, on.done);
                if on.done == all || !(self.doubts && self.come_from_late(&scratch.pool, near.of, ranks)) {
                    self.fetch_best(scratch);
                    return true;
                }
                // Who is in doubt again may be so until the last cell: a walk takes less.
                if doubts == DOUBTS {
                    return false;
                }
                doubts += 1;
                more = on.done.div_ceil(2);
            }
            near.scan_cells(scan, (on.done + more).min(all), on, scratch);
        }
    }

    /// Compare what was measured and not compared before. False for a query of which signs say too little, which shows the
    /// first time.
    fn compare_new(&self, scan: &Scan<'_>, on: &mut On, scratch: &mut Scratch) -> bool {
        let since = std::mem::replace(&mut on.compared, scratch.measured.end());
        if since == 0 {
            self.take_measured(scan, scratch);
            let most = self.compare(scan, on.rows, scratch);
            on.most = most.unwrap_or(0);
            return most.is_some();
        }
        let Scratch { measured, rows, .. } = &mut *scratch;
        measured.nearest_since(since, &scan.laid.signs, on.most, rows);
        self.compare_rows(0..scratch.rows.len(), scratch);
        true
    }

    /// Whether the nearest of what was found say that nearer ones may be in cells that were not looked at.
    fn come_from_late(&self, pool: &Pool, of: &[u32], (ranks, done): (&[u32], usize)) -> bool {
        let nearest = &pool.entries()[..pool.entries().len().min(self.k.max(LOOKED_AT))];
        let rank = |&entry: &u64| ranks[(of[node(entry) as usize] as usize).min(ranks.len() - 1)];
        let late = nearest.iter().map(rank).filter(|&rank| rank as usize >= done / 2).count();
        late > self.may_be_late(nearest.len())
    }
}

/// Give the nearest of the scratch's cells the ranks from `done` to `to`, and fill its runs with where their rows lie, nearest
/// first; the others stay. How many rows that is.
fn rank(scan: &Scan<'_>, (done, to): (usize, usize), scratch: &mut Scratch) -> usize {
    let Scratch { cells, ranks, runs, .. } = scratch;
    if to - done < cells.len() {
        cells.select_nth_unstable(to - done);
    }
    cells[..to - done].sort_unstable();
    runs.clear();
    for (rank, cell) in (done as u32..).zip(cells.drain(..to - done)) {
        let place = node(cell) as usize;
        ranks[scan.laid.cells[place] as usize] = rank;
        runs.push(scan.laid.starts[place] as usize..scan.laid.starts[place + 1] as usize);
    }
    runs.iter().map(ExactSizeIterator::len).sum()
}
