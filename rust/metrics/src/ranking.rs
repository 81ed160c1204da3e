//! The order in which `trec_eval` reads a ranking, and which scores tie in it.

use crate::columns::Group;

/// How scores are compared; documents whose scores compare equal are ordered by id, descending by bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ties {
    /// Rounded to single precision first, as `trec_eval` 9.0.8 stores them: scores closer than that tie.
    #[default]
    Float32,
    /// As given, as `trec_eval` 10 compares them.
    Float64,
}

impl Ties {
    fn compared(self, score: f64) -> f64 {
        match self {
            Self::Float32 => f64::from(score as f32),
            Self::Float64 => score,
        }
    }
}

/// One query's rows in rank order.
#[derive(Debug, Default)]
pub(crate) struct Ranking {
    /// Rows of the group, best first.
    pub(crate) rows: Vec<u32>,
    /// Where each run of tied rows ends; empty when nothing ties.
    pub(crate) ties: Vec<usize>,
}

impl Ranking {
    /// The ranking of a query that a run lacks.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.ties.clear();
    }

    /// Order the rows of a group up to `depth` and on to the end of the tie there. The group holds them by score as
    /// given, which orders them by rounded score too: only where unequal scores tie are ids to be compared.
    pub(crate) fn read(&mut self, group: &Group<'_, f64>, ties: Ties, depth: usize) {
        self.clear();
        let scores = group.values;
        let depth = depth.min(scores.len());
        // One row further: the last one wanted may tie with the next.
        let head = &scores[..scores.len().min(depth.saturating_add(1))];
        if head.windows(2).all(|pair| ties.compared(pair[0]) != ties.compared(pair[1])) {
            self.rows.extend(0..depth as u32);
            return;
        }
        let mut start = 0;
        while start < depth {
            let tied = ties.compared(scores[start]);
            let end = start + scores[start..].iter().take_while(|&&score| ties.compared(score) == tied).count();
            self.rows.extend(start as u32..end as u32);
            if scores[start] != scores[end - 1] {
                let id = |row: u32| group.document(row as usize).as_bytes();
                self.rows[start..end].sort_unstable_by(|&a, &b| id(b).cmp(id(a)));
            }
            self.ties.push(end);
            start = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rows, Run};

    fn read(scores: &[(&str, f64)], ties: Ties, depth: usize) -> (Vec<String>, Vec<usize>) {
        let mut rows = Rows::default();
        rows.open("q");
        for &(name, score) in scores {
            rows.push(name, score);
        }
        let run = Run::gather(&[rows], 1).unwrap();
        let mut ranking = Ranking::default();
        ranking.read(&run.group(0), ties, depth);
        let names = ranking.rows.iter().map(|&row| run.group(0).document(row as usize).to_owned()).collect();
        (names, ranking.ties)
    }

    #[test]
    fn ties_go_to_the_greater_id_by_bytes() {
        let run = [("a", 1.0), ("b", 1.0), ("é", 1.0), ("Z", 1.0), ("b2", 1.0), ("c", 2.0), ("d", -1.0)];
        let all = ["c", "é", "b2", "b", "a", "Z", "d"].map(String::from).to_vec();
        assert_eq!(read(&run, Ties::Float32, 99), (all.clone(), vec![1, 6, 7]));
        assert_eq!(read(&run, Ties::Float64, 7), (all.clone(), vec![1, 6, 7]));
        // The whole tie at the cut is there, for what else could stand before the cut.
        assert_eq!(read(&run, Ties::Float32, 2), (all[..6].to_vec(), vec![1, 6]));
        assert_eq!(read(&run, Ties::Float32, 1), (all[..1].to_vec(), vec![]));
        assert_eq!(read(&run, Ties::Float32, 0), (vec![], vec![]));
    }

    #[test]
    fn precision_decides_what_ties() {
        let run = [("a", 1.0 + 1e-12), ("b", 1.0), ("c", 1.0 - 1e-12)];
        assert_eq!(read(&run, Ties::Float32, 9), (["c", "b", "a"].map(String::from).to_vec(), vec![3]));
        assert_eq!(read(&run, Ties::Float32, 1).0, ["c", "b", "a"]);
        assert_eq!(read(&run, Ties::Float64, 9), (["a", "b", "c"].map(String::from).to_vec(), vec![]));
    }

    #[test]
    fn zeros_tie_and_signs_order() {
        let run = [("a", 0.0), ("b", -0.0), ("c", -1e-30), ("d", 1e-30), ("e", -2.0), ("f", -1.0)];
        assert_eq!(read(&run, Ties::Float64, 9).0, ["d", "b", "a", "c", "f", "e"]);
    }

    #[test]
    fn beyond_single_precision_all_scores_tie() {
        let run = [("a", 1e300), ("b", 1e299), ("c", 1.0)];
        assert_eq!(read(&run, Ties::Float32, 9), (["b", "a", "c"].map(String::from).to_vec(), vec![2, 3]));
    }
}
