//! A thread that runs batches.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::device::{Landing, Text};
use super::ticket::{Row, Span};
use super::{Engine, Health};
use crate::executor::{Matrix, Tokens};
use crate::failure::{Failure, Kind};
use crate::schedule::Last;
use crate::tokenise::Encoded;

impl Engine {
    /// Run batches of a device until it stops.
    pub(super) fn run(&self, device: usize) {
        let queue = &self.devices[device];
        let mut last = Last::default();
        while let Some(batch) = queue.next(last) {
            let (lane, load, texts) = (batch.lane, batch.load, batch.items.len());
            let texts_of = batch.items.into_iter().map(|(_, item)| item.what).collect();
            self.working.fetch_add(1, Ordering::Relaxed);
            let began = Instant::now();
            let (rows, whole) = self.infer(lane, texts_of);
            self.working.fetch_sub(1, Ordering::Relaxed);
            let span = Span { began, ended: Instant::now() };
            last = queue.ran(lane, load, texts, span, whole);
            for (key, row) in &rows {
                if let (Some(cache), Ok(row)) = (&self.cache, row) {
                    cache.insert(key.clone(), row.alone());
                }
            }
            queue.land(rows, span);
        }
    }

    /// The rows of texts, and whether they were run as a whole. When a batch fails, its halves are tried, so that one bad
    /// text fails alone.
    fn infer(&self, lane: usize, texts: Vec<Text>) -> (Vec<Landing>, bool) {
        let mut whole = true;
        let mut rows = Vec::with_capacity(texts.len());
        let mut rest = vec![texts];
        while let Some(mut texts) = rest.pop() {
            match self.infer_whole(lane, &texts) {
                Ok(matrix) => rows.extend(texts.into_iter().enumerate().map(|(i, text)| {
                    let Encoded { ids, truncated } = text.encoded;
                    let finite = matrix.row(i).iter().all(|x| x.is_finite());
                    let row = Row::of(&matrix, i, ids.len() as u32, truncated);
                    (text.key, if finite { Ok(row) } else { Err(not_finite()) })
                })),
                Err(failure) if texts.len() == 1 => {
                    whole = false;
                    rows.extend(texts.into_iter().map(|text| (text.key, Err(failure.clone()))));
                }
                Err(_) => {
                    whole = false;
                    let half = texts.split_off(texts.len() / 2);
                    rest.push(half);
                    rest.push(texts);
                }
            }
        }
        let ran = rows.iter().any(|(_, row)| row.is_ok());
        self.tell(lane, if ran { Health::Serving } else { Health::Failing });
        (rows, whole)
    }

    fn infer_whole(&self, lane: usize, texts: &[Text]) -> Result<Arc<Matrix>, Failure> {
        let columns = texts.iter().map(|text| text.encoded.ids.len()).max().unwrap_or(0).max(1);
        let rows = texts.len();
        let pad = i64::from(self.pads[lane]);
        let (mut ids, mut mask) = (vec![pad; rows * columns], vec![0_i64; rows * columns]);
        for (i, text) in texts.iter().enumerate() {
            let from = i * columns;
            for (to, &id) in ids[from..].iter_mut().zip(&text.encoded.ids) {
                *to = i64::from(id);
            }
            mask[from..][..text.encoded.ids.len()].fill(1);
        }
        let tokens: usize = texts.iter().map(|text| text.encoded.ids.len()).sum();
        self.counters.ran(tokens, rows * columns);
        let tokens = Tokens { ids, mask, rows, columns };
        // A runner that ends would leave every later caller waiting.
        let inferred = catch_unwind(AssertUnwindSafe(|| self.executor.infer(lane, tokens)));
        let matrix = inferred.unwrap_or_else(|_| Err(panicked()))?;
        let dimension = self.dimensions[lane];
        if matrix.dimension != dimension || matrix.values.len() != rows * dimension {
            let message = format!(
                "the model gave {} values, {} a row, for {rows} texts, and its vectors have {dimension}: import it again",
                matrix.values.len(),
                matrix.dimension
            );
            return Err(Failure::new(Kind::BundleError, message));
        }
        Ok(Arc::new(matrix))
    }
}

fn panicked() -> Failure {
    Failure::new(Kind::Internal, "the model's executor panicked: this is a fault of the server; its log says more")
}

fn not_finite() -> Failure {
    Failure::new(
        Kind::BundleError,
        "the model gave a vector with NaN or infinity for this text: use the model in a higher precision, or import it \
         again",
    )
}
