//! Two runs side by side: at which rank one has what the other has.

use std::ops::Range;

use crate::lookup::Lookup;
use crate::ranking::Ranking;
use crate::{Run, Ties, threads};

/// The heads of two runs' rankings, query by query: the queries of the first in its order, then those that only the
/// second has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alignment {
    /// The queries of the second run that the first lacks.
    pub only_second: Vec<u32>,
    /// How many documents there are for each query in either run.
    pub lengths: [Vec<u32>; 2],
    /// Ranks that `positions` has for each query: the depth asked for, or the longest ranking's length where that is
    /// less.
    pub width: usize,
    /// For each query, and each rank of the first run from 0: the rank from 0 of the same document in the second, -1
    /// where that lacks it or the first has no document there.
    pub positions: Vec<i32>,
    /// For each query, whether scores tie in the head of either ranking or where it is cut.
    pub tied: Vec<bool>,
}

/// Align the first `depth` documents of two runs, in `trec_eval`'s order; linear in their number. `threads`: how many
/// may work, 0 is one for every core.
#[must_use]
pub fn align(first: &Run, second: &Run, depth: usize, ties: Ties, threads: usize) -> Alignment {
    let only_second: Vec<u32> =
        (0..second.len() as u32).filter(|&query| first.find(second.query(query)).is_none()).collect();
    let depth = depth.min(first.longest().max(second.longest()));
    let queries = first.len() + only_second.len();
    let code = |at: usize| match at.checked_sub(first.len()) {
        None => (Some(at as u32), second.find(first.query(at as u32))),
        Some(at) => (None, Some(only_second[at])),
    };
    let parts = threads::shares(queries, depth.saturating_mul(2), threads, |range: Range<usize>| {
        let mut part = Alignment { width: depth, ..Alignment::default() };
        let mut space = Space::default();
        for at in range {
            let (ours, theirs) = code(at);
            space.add(&mut part, (first, ours), (second, theirs), ties);
        }
        part
    });
    let mut whole = Alignment { only_second, width: depth, ..Alignment::default() };
    for part in parts {
        for (all, some) in whole.lengths.iter_mut().zip(part.lengths) {
            all.extend(some);
        }
        whole.positions.extend(part.positions);
        whole.tied.extend(part.tied);
    }
    whole
}

/// What one query after another is read into.
#[derive(Debug, Default)]
struct Space {
    rankings: [Ranking; 2],
    lookup: Lookup,
}

impl Space {
    fn add(&mut self, part: &mut Alignment, first: (&Run, Option<u32>), second: (&Run, Option<u32>), ties: Ties) {
        let depth = part.width;
        for (ranking, (run, query)) in self.rankings.iter_mut().zip([first, second]) {
            match query {
                Some(query) => ranking.read(&run.group(query), ties, depth),
                None => ranking.clear(),
            }
            ranking.rows.truncate(depth);
        }
        let [ours, theirs] = &self.rankings;
        for (lengths, ranking) in part.lengths.iter_mut().zip([ours, theirs]) {
            lengths.push(ranking.rows.len() as u32);
        }
        part.tied.push(!(ours.ties.is_empty() && theirs.ties.is_empty()));
        let end = part.positions.len() + depth;
        if let ((run, Some(query)), (other, Some(found))) = (first, second) {
            let (group, others) = (run.group(query), other.group(found));
            self.lookup.clear(theirs.rows.len());
            for (rank, &row) in theirs.rows.iter().enumerate() {
                // A run holds a document once for a query: none is there already.
                self.lookup.insert(others.tags[row as usize], rank, |_| false);
            }
            part.positions.extend(ours.rows.iter().map(|&row| {
                let document = group.document(row as usize);
                let same = |rank: usize| others.document(theirs.rows[rank] as usize) == document;
                self.lookup.find(group.tags[row as usize], same).map_or(-1, |rank| rank as i32)
            }));
        }
        part.positions.resize(end, -1);
    }
}
