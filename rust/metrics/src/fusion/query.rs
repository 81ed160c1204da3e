//! One query's rankings fused.

use std::cmp::Ordering;

use super::order::sort;
use super::{Fused, Fusion, List, Rule};

/// What fusing reuses from query to query.
pub(super) struct Fuser<'f, D, F> {
    fusion: &'f Fusion,
    by_id: &'f F,
    /// Run and document, and what the run adds to the document, in the order of the runs.
    documents: Vec<(u32, D)>,
    values: Vec<f64>,
    fused: Vec<(D, f64)>,
    list: Vec<(D, f64)>,
    keys: Vec<u128>,
}

impl<'f, D: Copy + Into<i64>, F: Fn(&D, &D) -> Ordering> Fuser<'f, D, F> {
    pub(super) fn new(fusion: &'f Fusion, by_id: &'f F) -> Self {
        Self { fusion, by_id, documents: vec![], values: vec![], fused: vec![], list: vec![], keys: vec![] }
    }

    /// Append the fused ranking. An error is the run's position and what is wrong with its list.
    pub(super) fn fuse<'a>(
        &mut self,
        runs: usize,
        list: impl Fn(usize) -> List<'a, D>,
        result: &mut Fused<D>,
    ) -> Result<(), (usize, String)>
    where
        D: 'a,
    {
        self.documents.clear();
        self.values.clear();
        for run in 0..runs {
            self.add(run, list(run)).map_err(|problem| (run, problem))?;
        }
        self.sum()?;
        sort(&mut self.fused, (&mut self.keys, &mut self.list), self.by_id);
        self.fused.truncate(self.fusion.depth);
        result.documents.extend(self.fused.iter().map(|f| f.0));
        result.scores.extend(self.fused.iter().map(|f| f.1));
        result.offsets.push(result.documents.len());
        Ok(())
    }

    fn add(&mut self, run: usize, (documents, scores): List<'_, D>) -> Result<(), String> {
        if let Some(score) = scores.iter().find(|s| !s.is_finite()) {
            return Err(format!("a score is {score}: scores must be finite"));
        }
        let weight = self.fusion.weights.get(run).copied().unwrap_or(1.0);
        let number = run as u32;
        if let Rule::ReciprocalRank { k } = self.fusion.rule {
            self.list.clear();
            self.list.extend(documents.iter().copied().zip(scores.iter().copied()));
            sort(&mut self.list, (&mut self.keys, &mut self.fused), self.by_id);
            self.documents.extend(self.list.iter().map(|item| (number, item.0)));
            self.values.extend((1..=self.list.len()).map(|rank| weight / (k + rank as f64)));
        } else {
            let first = self.values.len();
            self.documents.extend(documents.iter().map(|&document| (number, document)));
            self.values.extend_from_slice(scores);
            let values = &mut self.values[first..];
            self.fusion.normalisation.apply(values);
            for value in values {
                *value *= weight;
            }
        }
        Ok(())
    }

    /// Add up each document's values into `fused`.
    fn sum(&mut self) -> Result<(), (usize, String)> {
        self.keys.clear();
        // By document and then by place, which grows with the run: the order of addition is defined.
        self.keys.extend(self.documents.iter().enumerate().map(|(place, &(_, document))| {
            let id: i64 = document.into();
            u128::from(id as u64) << 64 | place as u128
        }));
        self.keys.sort_unstable();
        self.fused.clear();
        for group in self.keys.chunk_by(|a, b| a >> 64 == b >> 64) {
            let mut places = group.iter().map(|&key| key as u64 as usize);
            let first = places.next().expect("chunks are not empty");
            let (mut run, document) = self.documents[first];
            let mut sum = self.values[first];
            for place in places {
                if run == self.documents[place].0 {
                    return Err((run as usize, "a document is there twice: keep one of its scores".into()));
                }
                run = self.documents[place].0;
                sum += self.values[place];
            }
            let times = if self.fusion.rule == Rule::Mnz { group.len() as f64 } else { 1.0 };
            if !(sum * times).is_finite() {
                return Err((run as usize, "the fused score overflows: normalise the scores".into()));
            }
            self.fused.push((document, sum * times));
        }
        Ok(())
    }
}
