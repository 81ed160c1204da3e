//! A block of queries, ready to be scanned for.

use std::sync::OnceLock;

use crate::aligned::Aligned;
use crate::backend::{BIAS, Backend, FEW, FEW_STEP, Operation};
use crate::bound::{Bound, MOST_SQUARE};
use crate::metric::Metric;
use crate::{Rows, exact};

/// The way in which rows are scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// One row after another, against `Backend::FEW` queries at most.
    Few,
    /// The same for codes, in whole numbers, against [`FEW`] queries at most.
    FewCodes,
    /// In tiles, in f32.
    Float,
    /// In tiles, in whole numbers.
    Codes,
}

/// Elements of a step of a coded panel.
pub(crate) const CODES: usize = 4;

/// What adding this to a number and taking it away again leaves of it is its nearest whole number, ties to even: two
/// instructions, where the function that rounds is called on processors of which nothing is known.
const ROUND: f64 = (3_u64 << 51) as f64;

/// Queries in the form in which they are compared: of unit length but for L2.
pub(crate) struct Queries {
    pub(crate) metric: Metric,
    pub(crate) way: Way,
    dimension: usize,
    count: usize,
    /// As they were given, row by row, and their norms.
    vectors: Vec<f32>,
    norms: Vec<f64>,
    /// `Way::Few`: one query after another, filled up with zeros. `Way::Float`: see [`crate::backend::Tile`].
    floats: Aligned<f32>,
    /// `Way::Codes`: see [`crate::backend::TileI8`].
    codes: Aligned<u8>,
    /// `Way::FewCodes`: one query after another, filled up with zeros.
    few_codes: Aligned<i8>,
    pub(crate) bounds: Vec<Bound>,
    /// Those that only scores can compare.
    pub(crate) wild: Vec<usize>,
    /// The same queries in f32, where they are codes.
    plain: OnceLock<Box<Self>>,
}

impl Queries {
    /// The rows `start..end` of `queries`, which must be finite.
    pub(crate) fn new<B: Backend>(metric: Metric, way: Way, queries: Rows<'_, f32>, start: usize, end: usize) -> Self {
        let (dimension, count) = (queries.dimension(), end - start);
        let mut block = Self {
            metric,
            way,
            dimension,
            count,
            vectors: Vec::with_capacity(count * dimension),
            norms: Vec::with_capacity(count),
            floats: Aligned::zeroed(match way {
                Way::Few => count * dimension.next_multiple_of(FEW_STEP),
                Way::Float => count.next_multiple_of(B::LANES) * dimension,
                Way::FewCodes | Way::Codes => 0,
            }),
            codes: Aligned::zeroed(match way {
                Way::Codes => count.next_multiple_of(B::LANES) * dimension.next_multiple_of(CODES),
                Way::Few | Way::FewCodes | Way::Float => 0,
            }),
            few_codes: Aligned::zeroed(match way {
                Way::FewCodes => count * dimension.next_multiple_of(FEW_STEP),
                Way::Few | Way::Float | Way::Codes => 0,
            }),
            bounds: Vec::with_capacity(count),
            wild: Vec::new(),
            plain: OnceLock::new(),
        };
        debug_assert!(match way {
            Way::Few => count <= B::FEW,
            Way::FewCodes => count <= FEW,
            Way::Float | Way::Codes => true,
        });
        for query in start..end {
            block.add::<B>(queries.row(query));
        }
        block
    }

    /// The same queries to be scanned for in f32, made when they are first asked for.
    pub(crate) fn plain<B: Backend>(&self) -> &Self {
        self.plain.get_or_init(|| {
            let way = if self.way == Way::FewCodes { Way::Few } else { Way::Float };
            // It was whole rows before.
            let queries = Rows::new(&self.vectors, self.dimension).expect("rows of the dimension");
            Box::new(Self::new::<B>(self.metric, way, queries, 0, self.count))
        })
    }

    fn add<B: Backend>(&mut self, query: &[f32]) {
        let number = self.norms.len();
        let square = exact::squares(query, exact::plain);
        let norm = square.sqrt();
        let divisor = if self.metric == Metric::L2 || norm == 0.0 { 1.0 } else { norm };
        self.vectors.extend_from_slice(query);
        self.norms.push(norm);
        if self.metric == Metric::L2 && square > f64::from(MOST_SQUARE) {
            self.wild.push(number);
        }
        let unit: Vec<f32> = query.iter().map(|&x| (f64::from(x) / divisor) as f32).collect();
        let bound = match self.way {
            Way::Few => {
                let stride = self.dimension.next_multiple_of(FEW_STEP);
                self.floats[number * stride..][..self.dimension].copy_from_slice(&unit);
                Bound::float(self.metric, self.dimension, norm)
            }
            Way::Float => {
                let (panel, lanes, lane) = self.place::<B>(number);
                let to = &mut self.floats[panel * self.dimension..][lane..];
                for (to, &x) in to.iter_mut().step_by(lanes).zip(&unit) {
                    *to = x;
                }
                Bound::float(self.metric, self.dimension, norm)
            }
            Way::FewCodes | Way::Codes => {
                let greatest = f64::from(unit.iter().fold(0.0_f32, |most, x| most.max(x.abs())));
                let sigma = if greatest == 0.0 { 1.0 } else { greatest / 127.0 };
                let mut error = 0.0;
                let mut codes = unit.iter().map(|&x| {
                    let code = (f64::from(x) / sigma + ROUND) - ROUND;
                    error += (f64::from(x) - sigma * code) * (f64::from(x) - sigma * code);
                    code as i32
                });
                if self.way == Way::FewCodes {
                    let stride = self.dimension.next_multiple_of(FEW_STEP);
                    for (to, code) in self.few_codes[number * stride..].iter_mut().zip(&mut codes) {
                        *to = code as i8;
                    }
                } else {
                    let (panel, lanes, lane) = self.place::<B>(number);
                    let steps = self.dimension.next_multiple_of(CODES);
                    let to = &mut self.codes[panel * steps..];
                    for d in 0..steps {
                        let code = codes.next().unwrap_or(0);
                        to[d / CODES * CODES * lanes + lane * CODES + d % CODES] = (code + BIAS) as u8;
                    }
                }
                Bound::codes(self.metric, self.dimension, norm, sigma, error.sqrt() * (1.0 + 1e-6))
            }
        };
        self.bounds.push(bound);
    }

    /// The first query of the panel that has query `number`, the queries that the panel is padded to, and its lane.
    fn place<B: Backend>(&self, number: usize) -> (usize, usize, usize) {
        let panel = number / Self::panel::<B>() * Self::panel::<B>();
        (panel, self.lanes::<B>(panel), number - panel)
    }

    /// Queries of a whole panel.
    const fn panel<B: Backend>() -> usize {
        B::LANES * B::VECTORS
    }

    /// The queries that the panel from `first` on is padded to.
    fn lanes<B: Backend>(&self, first: usize) -> usize {
        (self.count - first).min(Self::panel::<B>()).next_multiple_of(B::LANES)
    }

    /// Each panel's first query, and the queries that it is padded to.
    pub(crate) fn panels<B: Backend>(&self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.count).step_by(Self::panel::<B>()).map(|first| (first, self.lanes::<B>(first)))
    }

    /// The panel of `lanes` queries from `first` on, in f32.
    pub(crate) fn floats(&self, first: usize, lanes: usize) -> &[f32] {
        &self.floats[first * self.dimension..][..lanes * self.dimension]
    }

    /// The same in codes.
    pub(crate) fn codes(&self, first: usize, lanes: usize) -> &[u8] {
        let steps = self.dimension.next_multiple_of(CODES);
        &self.codes[first * steps..][..lanes * steps]
    }

    /// Query `number` as `few` takes it.
    pub(crate) fn few(&self, number: usize) -> &[f32] {
        let stride = self.dimension.next_multiple_of(FEW_STEP);
        &self.floats[number * stride..][..stride]
    }

    /// The same in codes.
    pub(crate) fn few_codes(&self, number: usize) -> &[i8] {
        let stride = self.dimension.next_multiple_of(FEW_STEP);
        &self.few_codes[number * stride..][..stride]
    }

    pub(crate) fn operation(&self) -> Operation {
        if self.metric == Metric::L2 { Operation::SquaredDifference } else { Operation::Dot }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The score of query `number` and a row; `norm`: that of the row, where the metric is the cosine.
    pub(crate) fn score<B: Backend>(&self, backend: B, number: usize, row: &[f32], norm: f64) -> f32 {
        let sum = match self.metric {
            Metric::L2 => backend.exact_squared_difference(self.vector(number), row),
            Metric::InnerProduct | Metric::Cosine => self.product(backend, number, row),
        };
        exact::score(self.metric, sum, self.norms[number] * norm)
    }

    /// The inner product of query `number` and a row.
    pub(crate) fn product<B: Backend>(&self, backend: B, number: usize, row: &[f32]) -> f64 {
        backend.exact_dot(self.vector(number), row)
    }

    fn vector(&self, number: usize) -> &[f32] {
        &self.vectors[number * self.dimension..][..self.dimension]
    }
}
