//! One vector against rows that lie anywhere, a few at a time: what the walk through a graph asks for.
//!
//! A distance here orders rows, smaller is nearer, and need not be precise: what a walk finds is scored again, exactly
//! (`rescore`). So rows are compared in codes of eight bits, a quarter of the bytes that memory has to bring, or, where
//! codes are too coarse for a corpus, as they lie, in f32.
//!
//! | metric | distance |
//! |---|---|
//! | inner product | - q · r |
//! | cosine | - q · r / (\|q\| \|r\|), 0 with a zero vector |
//! | L2 | \|q\|² + \|r\|² - 2 q · r in codes, Σ (q - r)² in f32 |
//!
//! The back end is chosen once, when a space is made. Rows are fetched ahead of their turn: a walk jumps, and no
//! processor can foresee where.

mod axes;
mod chosen;
mod levels;
mod lying;
mod making;
mod measured;
mod nearest;
mod point;
mod records;
mod signs;
mod sketches;

use crate::backend::{Backend, DOTS, Dots, LINE_BYTES};
use crate::element::{Corpus, on_table};
use crate::metric::Metric;
use crate::words::signed;

#[cfg(test)]
pub(crate) use chosen::Which;
pub use measured::Measured;
pub use nearest::Nearest;
pub use point::Point;
pub use records::{Records, record_bytes};
pub use signs::Signs;
pub use sketches::Sketches;

/// Where rows are compared: the back end, and the form of the rows.
#[derive(Clone, Copy)]
pub struct Space<'a> {
    back_end: BackEnd,
    metric: Metric,
    form: Form<'a>,
    sketches: Option<&'a Sketches>,
}

/// The form of the rows.
#[derive(Clone, Copy)]
enum Form<'a> {
    Codes(Records<'a>),
    Lying(Corpus<'a>),
}

/// The back end of this processor.
#[derive(Clone, Copy)]
enum BackEnd {
    #[cfg(target_arch = "x86_64")]
    Avx512(crate::backend::Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(crate::backend::Avx2),
    Plain,
}

/// Evaluate an expression on the back end that was chosen.
macro_rules! on_chosen {
    ($chosen:expr, $backend:ident => $result:expr) => {
        match $chosen {
            #[cfg(target_arch = "x86_64")]
            BackEnd::Avx512($backend) => $result,
            #[cfg(target_arch = "x86_64")]
            BackEnd::Avx2($backend) => $result,
            BackEnd::Plain => {
                #[cfg(target_arch = "aarch64")]
                let $backend = crate::backend::Neon::default();
                #[cfg(not(target_arch = "aarch64"))]
                let $backend = crate::backend::Portable::default();
                $result
            }
        }
    };
}
use on_chosen;

impl BackEnd {
    fn of_this_processor() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(backend) = crate::backend::Avx512::new() {
            return Self::Avx512(backend);
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(backend) = crate::backend::Avx2::new() {
            return Self::Avx2(backend);
        }
        Self::Plain
    }
}

impl<'a> Space<'a> {
    /// Rows in codes, as [`Records::encode`] made them for this metric.
    #[must_use]
    pub fn codes(records: Records<'a>, metric: Metric) -> Self {
        Self { back_end: BackEnd::of_this_processor(), metric, form: Form::Codes(records), sketches: None }
    }

    /// Rows as they lie, in f32 or what they are decoded to. A row that is not finite is far from everything.
    #[must_use]
    pub fn vectors(corpus: Corpus<'a>, metric: Metric) -> Self {
        Self { back_end: BackEnd::of_this_processor(), metric, form: Form::Lying(corpus), sketches: None }
    }

    /// The same space, which can tell by these sketches of its rows that one is far, where this processor does that
    /// faster than to compare codes.
    ///
    /// # Panics
    /// When the sketches are those of other rows, or rows are compared as they lie.
    #[must_use]
    pub fn with_sketches(self, sketches: &'a Sketches) -> Self {
        let fits = matches!(self.form, Form::Codes(records) if sketches.fits(&records));
        assert!(fits, "sketches of the rows' records");
        let faster = on_chosen!(self.back_end, backend => backend.has_bit_sums());
        Self { sketches: Some(sketches).filter(|_| faster), ..self }
    }

    /// Whether it can tell by sketches that a row is far.
    #[must_use]
    #[inline]
    pub fn has_sketches(&self) -> bool {
        self.sketches.is_some()
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.form {
            Form::Codes(records) => records.len(),
            Form::Lying(corpus) => corpus.len(),
        }
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Make `to` the point that a vector of the rows' dimension is.
    ///
    /// # Panics
    /// When the vector has another dimension.
    pub fn set(&self, to: &mut Point, vector: &[f32]) {
        match self.form {
            Form::Codes(records) => {
                assert_eq!(vector.len(), records.dimension(), "a vector of the rows' dimension");
                on_chosen!(self.back_end, backend => {
                    to.encode(backend, vector, self.metric);
                    if let Some(sketches) = self.sketches {
                        to.sketch(backend, sketches);
                    }
                });
            }
            Form::Lying(corpus) => {
                assert_eq!(vector.len(), corpus.dimension(), "a vector of the rows' dimension");
                to.lay(vector, self.metric);
            }
        }
    }

    /// Make `to` the point that row `row` is.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn set_row(&self, to: &mut Point, row: u32) {
        match self.form {
            Form::Codes(records) => {
                on_chosen!(self.back_end, backend => {
                    to.copy(backend, records, row as usize, self.metric);
                    if let Some(sketches) = self.sketches {
                        to.sketch(backend, sketches);
                    }
                });
            }
            Form::Lying(corpus) => on_chosen!(self.back_end, backend => {
                on_table!(corpus, table => lying::set(backend, table, row as usize, to, self.metric));
            }),
        }
    }

    /// Fill `to` with the distances between `point` and `rows`.
    ///
    /// # Panics
    /// When there is no such row, or the point is not one of this space.
    #[inline]
    pub fn distances(&self, point: &mut Point, rows: &[u32], to: &mut Vec<f32>) {
        to.clear();
        self.visit(point, rows, |distances| {
            to.extend_from_slice(distances);
            true
        });
    }

    /// By how much the distance between the point and a row is off, for each was rounded to codes: the standard deviation,
    /// if what rounding leaves of elements is spread evenly and not of one mind. None where rows are compared as they lie.
    ///
    /// A code that stands for c is c + e, with a variance of e of 1/12. So the product of two has Σ (a² + b²) / 12.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn rounding(&self, point: &Point, row: u32) -> Option<f32> {
        let Form::Codes(records) = self.form else { return None };
        let codes = signed(&records.codes(row as usize)[..records.dimension()]);
        let squares = on_chosen!(self.back_end, backend => backend.sums_i8(codes).1);
        let squares = point.squares as f32 + squares as f32;
        Some(point.scale * self.step(row) * (squares / 12.0).sqrt())
    }

    /// The step between two codes of a row; 1 where rows are compared as they lie.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    #[inline]
    pub fn step(&self, row: u32) -> f32 {
        match self.form {
            Form::Codes(records) => Coded { records, sketches: self.sketches }.factors(row).0,
            Form::Lying(_) => 1.0,
        }
    }

    /// Whether any of `rows` is nearer to `point` than `distance`; no more are looked at than it takes, but for four.
    ///
    /// # Panics
    /// As `distances`.
    #[inline]
    pub fn any_nearer(&self, point: &mut Point, rows: &[u32], distance: f32) -> bool {
        let mut any = false;
        self.visit(point, rows, |distances| {
            any |= distances.iter().any(|&other| other < distance);
            !any
        });
        any
    }

    /// Leave out of `nodes` those whose rows are, by their sketches, farther from `point` than `distance`; all stay where
    /// there are no sketches. `row_of`: the row of a node.
    ///
    /// A few that are nearer go too: see `sketches`. What comparisons with those that stay will read is fetched.
    ///
    /// # Panics
    /// As `distances`.
    #[inline]
    pub fn sift(&self, point: &Point, nodes: &mut Vec<u32>, row_of: impl Fn(u32) -> u32, distance: f32) {
        if let (Some(sketches), Form::Codes(records)) = (self.sketches, self.form) {
            on_chosen!(self.back_end, backend => if sketches.have_levels() {
                sift::<_, true>(backend, (records, sketches), point, nodes, row_of, distance);
            } else {
                sift::<_, false>(backend, (records, sketches), point, nodes, row_of, distance);
            });
        }
    }

    /// Fill `to` with the distance that each of `rows` has from `point` at least, by their sketches, but for about one in six
    /// that is nearer: they are given an error as large as is usual, two thirds of what `sift` gives them. Minus infinity where
    /// that is no number, and of all where there are no sketches.
    ///
    /// Whoever leaves out by these what is farther than some row should have that be the worst of more than are asked for.
    ///
    /// # Panics
    /// As `distances`.
    pub fn least_distances(&self, point: &Point, rows: &[u32], to: &mut Vec<f32>) {
        to.clear();
        match self.sketches {
            Some(sketches) => {
                on_chosen!(self.back_end, backend => if sketches.have_levels() {
                    least_distances::<_, true>(backend, sketches, point, rows, to);
                } else {
                    least_distances::<_, false>(backend, sketches, point, rows, to);
                });
            }
            None => to.resize(rows.len(), f32::NEG_INFINITY),
        }
    }

    /// Hand over one distance after another, some at a time, as long as that returns true.
    #[inline]
    fn visit(&self, point: &mut Point, rows: &[u32], mut take: impl FnMut(&[f32]) -> bool) {
        on_chosen!(self.back_end, backend => match self.form {
            Form::Codes(records) => {
                visit_codes(backend, Coded { records, sketches: self.sketches }, point, rows, &mut take);
            }
            Form::Lying(corpus) => {
                on_table!(corpus, table => lying::visit(backend, table, point, rows, self.metric, |distance| take(&[distance])));
            }
        });
    }

    /// Fetch what a comparison with a row will read.
    ///
    /// # Panics
    /// When there is no such row.
    #[inline]
    pub fn fetch_row(&self, row: u32) {
        if let Form::Codes(records) = self.form {
            on_chosen!(self.back_end, backend => Coded { records, sketches: self.sketches }.fetch(backend, row));
        }
    }

    /// Fetch what a look at a row's sketch will read.
    ///
    /// # Panics
    /// When there is no such row.
    #[inline]
    pub fn fetch_sketch(&self, row: u32) {
        if let Some(sketches) = self.sketches {
            let sketch = sketches.of(row);
            on_chosen!(self.back_end, backend => backend.fetch(sketch.as_ptr(), sketch.len()));
        }
    }

    /// Fetch what will be read soon; 16 lines of it at most.
    #[inline]
    pub fn fetch_words(&self, words: &[u32]) {
        let bytes = size_of_val(words).min(16 * LINE_BYTES);
        on_chosen!(self.back_end, backend => backend.fetch(words.as_ptr().cast(), bytes));
    }
}

/// Rows in codes, with the sketches that may say how their codes are read.
#[derive(Clone, Copy)]
struct Coded<'a> {
    records: Records<'a>,
    sketches: Option<&'a Sketches>,
}

impl<'a> Coded<'a> {
    /// The codes of a row, and what is read with them.
    #[inline]
    fn bytes(self, row: u32) -> &'a [u8] {
        match self.sketches {
            Some(_) => self.records.codes(row as usize),
            None => self.records.record(row as usize),
        }
    }

    /// A row's scale, and what is added to its distances. They end a record, mostly on a line of their own; a sketch has them
    /// behind its signs or levels, and was mostly looked at already.
    #[inline]
    fn factors(self, row: u32) -> (f32, f32) {
        match self.sketches {
            Some(sketches) => sketches.of_record(row),
            None => self.records.factors(self.records.record(row as usize)),
        }
    }

    /// Fetch what is read of a row.
    #[inline]
    fn fetch<B: Backend>(self, backend: B, row: u32) {
        let bytes = self.bytes(row);
        backend.fetch(bytes.as_ptr(), bytes.len());
        if let Some(sketches) = self.sketches {
            let line = sketches.line_of_factors(row);
            backend.fetch(line.as_ptr(), line.len());
        }
    }
}

/// As [`Space::visit`], in codes.
#[inline]
fn visit_codes<B: Backend>(
    backend: B,
    coded: Coded<'_>,
    point: &Point,
    rows: &[u32],
    mut take: impl FnMut(&[f32]) -> bool,
) {
    let Some(&last) = rows.last() else { return };
    // The last row is repeated where others lack.
    let four = |rows: &[u32]| match *rows {
        [a, b, c, d, ..] => [a, b, c, d],
        [a, b, c] => [a, b, c, last],
        [a, b] => [a, b, last, last],
        _ => [last; DOTS],
    };
    let bytes = |[a, b, c, d]: [u32; DOTS]| [coded.bytes(a), coded.bytes(b), coded.bytes(c), coded.bytes(d)];
    let mut next = four(rows);
    for row in next {
        coded.fetch(backend, row);
    }
    for first in (0..rows.len()).step_by(DOTS) {
        let some = std::mem::replace(&mut next, four(&rows[rows.len().min(first + DOTS)..]));
        let dots = backend.dots(Dots { point: &point.codes, sum: point.sum, rows: bytes(some), next: bytes(next) });
        let mut distances = [0.0; DOTS];
        for i in 0..DOTS {
            let (scale, add) = coded.factors(some[i]);
            // What f32 cannot hold, and so makes NaN, is far away: that is the least of NaN and infinity.
            distances[i] = (point.base + add - point.scale * scale * dots[i] as f32).min(f32::INFINITY);
        }
        if !take(&distances[..DOTS.min(rows.len() - first)]) {
            return;
        }
    }
}

/// As [`Space::sift`]. `LEVELS`: whether sketches have them; a loop that asks for each row takes a tenth of a walk longer.
#[inline]
fn sift<B: Backend, const LEVELS: bool>(
    backend: B,
    (records, sketches): (Records<'_>, &Sketches),
    point: &Point,
    nodes: &mut Vec<u32>,
    row_of: impl Fn(u32) -> u32,
    distance: f32,
) {
    let mut kept = 0;
    for first in (0..nodes.len()).step_by(DOTS) {
        let count = DOTS.min(nodes.len() - first);
        let mut rows = [row_of(nodes[first]); DOTS];
        for i in 1..count {
            rows[i] = row_of(nodes[first + i]);
        }
        let least = least_of_four::<_, LEVELS>(backend, sketches, point, (rows, 1.0));
        for i in 0..count {
            if least[i] > distance {
                continue;
            }
            let codes = records.codes(rows[i] as usize);
            backend.fetch(codes.as_ptr(), codes.len());
            nodes[kept] = nodes[first + i];
            kept += 1;
        }
    }
    nodes.truncate(kept);
}

/// As [`Space::least_distances`].
#[inline]
fn least_distances<B: Backend, const LEVELS: bool>(
    backend: B,
    sketches: &Sketches,
    point: &Point,
    rows: &[u32],
    to: &mut Vec<f32>,
) {
    for &row in &rows[..rows.len().min(AHEAD)] {
        let sketch = sketches.of(row);
        backend.fetch(sketch.as_ptr(), sketch.len());
    }
    for first in (0..rows.len()).step_by(DOTS) {
        for &row in rows.iter().skip(first + AHEAD).take(DOTS) {
            let sketch = sketches.of(row);
            backend.fetch(sketch.as_ptr(), sketch.len());
        }
        let count = DOTS.min(rows.len() - first);
        // The first row is repeated where others lack.
        let mut four = [rows[first]; DOTS];
        four[..count].copy_from_slice(&rows[first..first + count]);
        to.extend_from_slice(&least_of_four::<_, LEVELS>(backend, sketches, point, (four, GIVEN))[..count]);
    }
}

/// Rows by which the sketch that is fetched is ahead of the one that is looked at.
const AHEAD: usize = 32;

/// The share of what sketches are given in `sift` that they are given in `least_distances`. (Of 50,000 rows of topics that
/// a scan compared, as many of the nearest ten were found but for one in a thousand, and a sixth fewer codes were read.)
const GIVEN: f32 = 2.0 / 3.0;

/// The distances that rows have at least, of what they are given a share; minus infinity where that is no number, which says nothing.
#[inline]
fn least_of_four<B: Backend, const LEVELS: bool>(
    backend: B,
    sketches: &Sketches,
    point: &Point,
    (rows, share): ([u32; DOTS], f32),
) -> [f32; DOTS] {
    // (Loops: closures over arrays are not always made part of them.)
    let mut of = [sketches.of(rows[0]); DOTS];
    for i in 1..DOTS {
        of[i] = sketches.of(rows[i]);
    }
    let sums = sketches.sums::<_, LEVELS>(backend, point, of);
    let (mut f, mut off, mut along, mut add) = ([0.0; DOTS], [0.0; DOTS], [0.0; DOTS], [0.0; DOTS]);
    for i in 0..DOTS {
        [f[i], off[i], along[i], add[i]] = sketches.factors::<LEVELS>(of[i]);
    }
    let given = share * point.sketched.margin;
    let mut least = [0.0; DOTS];
    for i in 0..DOTS {
        let greatest = point.sketched.product(sums[i], f[i], along[i]) + off[i] * given;
        // `max` takes the other for what is no number.
        least[i] = (point.base + add[i] - greatest).max(f32::NEG_INFINITY);
    }
    least
}
