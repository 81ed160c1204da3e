//! One query, one part: the rows that have a term of the query, scored as far as they can still be among the best.
//!
//! `MaxScore` (Turtle and Flood 1995, "Query evaluation: strategies and optimizations"). No row gets more from a term
//! than the term's weight, whatever k1, b and the lengths are. Terms whose weights together do not exceed the threshold
//! bring no row of their own: such terms are only looked up for rows that the others bring, and only while what is left
//! to add could still lift the row above the threshold. A bound holds for whole numbers of units, without rounding, so
//! that what is left out is known not to count.
//!
//! The terms that bring rows are summed in a window of rows that stays in the nearest cache.

use crate::best::Best;
use crate::bm25::Norms;
use crate::cursor::Cursor;
use crate::mask::Mask;

/// Rows of a window.
const WINDOW: usize = 4096;

/// Sums of a window, all 0 between uses.
pub(crate) struct Window {
    sums: Vec<u64>,
    /// Rows that have a sum, one bit each.
    touched: Vec<u64>,
}

impl Default for Window {
    fn default() -> Self {
        Self { sums: vec![0; WINDOW], touched: vec![0; WINDOW / 64] }
    }
}

/// What the rows of one part are scored with.
pub(crate) struct Scan<'s> {
    pub(crate) part: usize,
    pub(crate) mask: Mask<'s>,
    pub(crate) norms: &'s Norms,
}

impl Scan<'_> {
    /// Put the rows that `cursors` have into `best`.
    pub(crate) fn run(&self, mut cursors: Vec<Cursor<'_>>, best: &mut Best, window: &mut Window) {
        cursors.sort_unstable_by_key(|cursor| cursor.bound);
        // What the first i terms add at most.
        let mut bounds = vec![0];
        bounds.extend(cursors.iter().scan(0, |sum, cursor| {
            *sum += cursor.bound;
            Some(*sum)
        }));
        loop {
            let others = bounds.partition_point(|&bound| bound <= best.threshold()) - 1;
            let (looked_up, bringing) = cursors.split_at_mut(others);
            let rest = Rest { cursors: looked_up, bounds: &bounds };
            let going_on = match bringing {
                [] => false,
                [only] => self.block(only, rest, best),
                many => self.window(many, rest, best, window),
            };
            if !going_on {
                return;
            }
        }
    }

    /// One term brings rows: one block of them. False at the end.
    fn block(&self, only: &mut Cursor<'_>, mut rest: Rest<'_, '_>, best: &mut Best) -> bool {
        let (rows, scores) = only.scored_block(self.norms);
        if rows.is_empty() {
            return false;
        }
        let more = rest.bound();
        for (&row, &score) in rows.iter().zip(scores) {
            if score + more > best.threshold() && self.mask.allows(row) {
                rest.finish(row, score, self, best);
            }
        }
        only.next_block();
        true
    }

    /// Several terms bring rows: one window of them. False at the end.
    fn window(
        &self,
        bringing: &mut [Cursor<'_>],
        mut rest: Rest<'_, '_>,
        best: &mut Best,
        Window { sums, touched }: &mut Window,
    ) -> bool {
        let Some(base) = bringing.iter().filter_map(Cursor::row).min() else { return false };
        let end = base + WINDOW as u32;
        for cursor in bringing {
            cursor.pass(end, self.norms, |row, score| {
                let place = (row - base) as usize % WINDOW;
                sums[place] += score;
                touched[place / 64] |= 1 << (place % 64);
            });
        }
        let more = rest.bound();
        for (word, bits) in touched.iter_mut().enumerate() {
            while *bits != 0 {
                let place = word * 64 + bits.trailing_zeros() as usize;
                *bits &= *bits - 1;
                let score = std::mem::take(&mut sums[place]);
                let row = base + place as u32;
                if score + more > best.threshold() && self.mask.allows(row) {
                    rest.finish(row, score, self, best);
                }
            }
        }
        true
    }
}

/// Terms that are looked up, those that add most last.
struct Rest<'c, 'a> {
    cursors: &'c mut [Cursor<'a>],
    /// What the first i of them add at most.
    bounds: &'c [u64],
}

impl Rest<'_, '_> {
    fn bound(&self) -> u64 {
        self.bounds[self.cursors.len()]
    }

    /// Add what they give to `score`, and keep the row if it counts.
    #[inline]
    fn finish(&mut self, row: u32, mut score: u64, scan: &Scan<'_>, best: &mut Best) {
        for (i, cursor) in self.cursors.iter_mut().enumerate().rev() {
            if score + self.bounds[i + 1] <= best.threshold() {
                return;
            }
            score += cursor.probe(row, scan.norms);
        }
        if score > best.threshold() {
            best.push(score, scan.part, row);
        }
    }
}
