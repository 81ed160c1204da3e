//! One query, one part: the rows that have a term of the query, scored as far as they can still be among the best.
//!
//! `MaxScore` (Turtle and Flood 1995, "Query evaluation: strategies and optimizations"), window by window of rows that
//! follow one another. Terms that together give no row of the window more than the threshold bring no row of their own:
//! they are only looked up for rows that the others bring, and only while what is left to add could still lift the row
//! above the threshold. Where that holds for all terms the window is left out. A bound holds for whole numbers of units,
//! without rounding, so that what is left out is known not to count.
//!
//! What the terms give is summed in an array that stays in the nearest cache, term after term. Of those that are looked
//! up, the one that may add most for its rows comes first, and after each the rows go that can no longer count. Where many
//! are left, to add up all rows that have the term takes less time than to look for each of them.

use crate::best::Best;
use crate::bm25::Norms;
use crate::cursor::Cursor;
use crate::mask::Mask;
use crate::peaks::WINDOW;

/// To look for a row in a list takes as long as to add so many of its rows.
const LOOK_UP: usize = 4;

/// Rows of a window up to which those that one term brings are looked up one after the other: to go through the sums of
/// the window takes as long.
const FEW: usize = 128;

/// Sums of a window.
pub(crate) struct Window {
    /// All 0 between uses.
    sums: Vec<u64>,
    /// Rows that a term has brought, one bit each; all 0 between uses.
    touched: Vec<u64>,
    /// Those of them that may still count, ascending: the first `left`.
    places: Vec<u16>,
    left: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { sums: vec![0; WINDOW], touched: vec![0; WINDOW / 64], places: vec![0; WINDOW], left: 0 }
    }
}

impl Window {
    /// Add what a term gives the rows of the window that starts there, and note them.
    fn bring(&mut self, cursor: &mut Cursor<'_>, start: usize, norms: &Norms) {
        let Self { sums, touched, .. } = self;
        cursor.seek(start as u32);
        cursor.pass((start + WINDOW) as u32, norms, |row, score| {
            let place = row as usize % WINDOW;
            sums[place] += score;
            touched[place / 64] |= 1 << (place % 64);
        });
    }

    /// Turn the notes of the window that starts there into places, of those that may be found and exceed `threshold` with
    /// `more`.
    fn collect(&mut self, start: usize, mask: Mask<'_>, more: u64, threshold: u64) {
        let Self { sums, touched, places, left } = self;
        let mut kept = 0;
        for (word, bits) in touched.iter_mut().enumerate() {
            while *bits != 0 {
                let place = word * 64 + bits.trailing_zeros() as usize;
                *bits &= *bits - 1;
                places[kept] = place as u16;
                let may = mask.allows((start + place) as u32);
                kept += keep(&mut sums[place], more, if may { threshold } else { u64::MAX });
            }
        }
        *left = kept;
    }

    /// Let those go that do not exceed it.
    fn retain(&mut self, more: u64, threshold: u64) {
        let Self { sums, places, left, .. } = self;
        let mut kept = 0;
        for at in 0..*left {
            let place = places[at];
            places[kept] = place;
            kept += keep(&mut sums[usize::from(place) % WINDOW], more, threshold);
        }
        *left = kept;
    }
}

/// 1 where `sum` exceeds `threshold` with `more`; otherwise it is done with. No branch: which way it would go is hard to
/// tell.
#[inline]
fn keep(sum: &mut u64, more: u64, threshold: u64) -> usize {
    let counts = *sum + more > threshold;
    *sum = if counts { *sum } else { 0 };
    usize::from(counts)
}

/// What the rows of one part are scored with.
pub(crate) struct Scan<'s> {
    pub(crate) part: usize,
    pub(crate) rows: usize,
    pub(crate) mask: Mask<'s>,
    pub(crate) norms: &'s Norms,
}

impl Scan<'_> {
    /// Put the rows that `cursors` have into `best`.
    pub(crate) fn run(&self, cursors: &mut [Cursor<'_>], best: &mut Best, window: &mut Window) {
        let mut cursors: Vec<_> = cursors.iter_mut().collect();
        let (windows, mut number) = (self.rows.div_ceil(WINDOW), 0);
        while number < windows {
            let next = cursors.iter_mut().filter_map(|cursor| cursor.enter(number, self.norms)).min();
            match next {
                Some(next) if next == number => self.window(&mut cursors, number * WINDOW, best, window),
                Some(next) => {
                    number = next;
                    continue;
                }
                None => return,
            }
            number += 1;
        }
    }

    /// Those of the window that starts there.
    fn window(&self, cursors: &mut [&mut Cursor<'_>], start: usize, best: &mut Best, window: &mut Window) {
        // Those come first that have most rows for what they may add. The order is nearly that of the window before.
        cursors.sort_by(|a, b| a.worth.total_cmp(&b.worth));
        let absent = cursors.partition_point(|cursor| cursor.bound == 0);
        let present = &mut cursors[absent..];
        let (threshold, mut more) = (best.threshold(), 0);
        let others = present.iter().take_while(|cursor| {
            more += cursor.bound;
            more <= threshold
        });
        let others = others.count();
        let (looked_up, bringing) = present.split_at_mut(others);
        if bringing.is_empty() || !self.mask.allows_any(start, start + WINDOW) {
            return;
        }
        if let [only] = bringing
            && (looked_up.is_empty() || self.in_a_window(only) <= FEW)
        {
            return self.one(only, looked_up, start, best);
        }
        for cursor in bringing {
            window.bring(cursor, start, self.norms);
        }
        self.finish(looked_up, start, best, window);
    }

    /// How many rows a term has in a window, on average.
    fn in_a_window(&self, cursor: &Cursor<'_>) -> usize {
        cursor.count() * WINDOW / self.rows.max(WINDOW)
    }

    /// One term brings the rows of the window, and the others are looked up for each of them, the last first.
    fn one(&self, only: &mut Cursor<'_>, looked_up: &mut [&mut Cursor<'_>], start: usize, best: &mut Best) {
        let all = looked_up.iter().map(|cursor| cursor.bound).sum::<u64>();
        only.seek(start as u32);
        only.pass((start + WINDOW) as u32, self.norms, |row, mut score| {
            let mut more = all;
            if score + more <= best.threshold() || !self.mask.allows(row) {
                return;
            }
            for cursor in looked_up.iter_mut().rev() {
                if score + more <= best.threshold() {
                    return;
                }
                more -= cursor.bound;
                score += cursor.probe(row, self.norms);
            }
            if score > best.threshold() {
                best.push(score, self.part, row);
            }
        });
    }

    /// Keep the rows of the window that count, with all that the terms give that brought none, the last first.
    fn finish(&self, looked_up: &mut [&mut Cursor<'_>], start: usize, best: &mut Best, window: &mut Window) {
        let mut more = looked_up.iter().map(|cursor| cursor.bound).sum::<u64>();
        let (threshold, mut all_added) = (best.threshold(), false);
        window.collect(start, self.mask, more, threshold);
        for cursor in looked_up.iter_mut().rev() {
            if window.left == 0 {
                break;
            }
            more -= cursor.bound;
            if window.left * LOOK_UP > self.in_a_window(cursor) {
                cursor.seek(start as u32);
                let sums = &mut window.sums;
                cursor.pass((start + WINDOW) as u32, self.norms, |row, score| sums[row as usize % WINDOW] += score);
                all_added = true;
            } else {
                for &place in &window.places[..window.left] {
                    window.sums[usize::from(place)] += cursor.probe((start + usize::from(place)) as u32, self.norms);
                }
            }
            window.retain(more, threshold);
        }
        for &place in &window.places[..window.left] {
            let (sum, row) =
                (std::mem::take(&mut window.sums[usize::from(place)]), (start + usize::from(place)) as u32);
            if sum > best.threshold() {
                best.push(sum, self.part, row);
            }
        }
        if all_added {
            window.sums.fill(0);
        }
    }
}
