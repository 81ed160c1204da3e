//! What the elements of a corpus can be, and a corpus of any of them.

use crate::backend::{Backend, Coded, FewRows};
use crate::{Error, Rows, on_backend};

/// Evaluate an expression with the corpus as a table of whatever type it has.
macro_rules! on_table {
    ($corpus:expr, $table:ident => $result:expr) => {
        match $corpus {
            crate::Corpus::F32(rows) => {
                let $table = crate::element::Table::plain(rows);
                $result
            }
            crate::Corpus::F16(rows) => {
                let $table = crate::element::Table::plain(rows);
                $result
            }
            crate::Corpus::Bf16(rows) => {
                let $table = crate::element::Table::plain(rows);
                $result
            }
            crate::Corpus::Int8(rows) => {
                let $table = crate::element::Table::from(rows);
                $result
            }
        }
    };
}
pub(crate) use on_table;

/// IEEE 754 binary16, by its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct F16(pub u16);

impl F16 {
    /// Take the bits for what they are.
    #[must_use]
    pub fn from_bits(bits: &[u16]) -> &[Self] {
        // SAFETY: `Self` is `repr(transparent)` over u16.
        unsafe { std::slice::from_raw_parts(bits.as_ptr().cast(), bits.len()) }
    }
}

/// The upper half of an f32, by its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Bf16(pub u16);

impl Bf16 {
    /// Take the bits for what they are.
    #[must_use]
    pub fn from_bits(bits: &[u16]) -> &[Self] {
        // SAFETY: `Self` is `repr(transparent)` over u16.
        unsafe { std::slice::from_raw_parts(bits.as_ptr().cast(), bits.len()) }
    }
}

/// The vectors that are searched.
#[derive(Debug, Clone, Copy)]
pub enum Corpus<'a> {
    /// Single precision.
    F32(Rows<'a, f32>),
    /// Half precision.
    F16(Rows<'a, F16>),
    /// bfloat16.
    Bf16(Rows<'a, Bf16>),
    /// Whole numbers, each row with its own scale: the vector is scale * code, rounded to f32.
    Int8(Scaled<'a>),
}

/// Codes of eight bits with a scale for each row.
#[derive(Debug, Clone, Copy)]
pub struct Scaled<'a> {
    codes: Rows<'a, i8>,
    scales: &'a [f32],
}

impl<'a> Scaled<'a> {
    /// `scales`: one a row, each finite and greater than 0.
    ///
    /// # Errors
    /// [`Error::Length`] when there is not one scale a row, [`Error::Scale`] for the first that cannot be used.
    pub fn new(codes: Rows<'a, i8>, scales: &'a [f32]) -> Result<Self, Error> {
        if scales.len() != codes.len() {
            return Err(Error::Length { what: "scales, one a row", length: scales.len(), expected: codes.len() });
        }
        match scales.iter().position(|scale| !(scale.is_finite() && *scale > 0.0)) {
            Some(row) => Err(Error::Scale(row)),
            None => Ok(Self { codes, scales }),
        }
    }
}

impl Corpus<'_> {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(rows) => rows.len(),
            Self::F16(rows) => rows.len(),
            Self::Bf16(rows) => rows.len(),
            Self::Int8(rows) => rows.codes.len(),
        }
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Elements of a row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        match self {
            Self::F32(rows) => rows.dimension(),
            Self::F16(rows) => rows.dimension(),
            Self::Bf16(rows) => rows.dimension(),
            Self::Int8(rows) => rows.codes.dimension(),
        }
    }
}

impl Corpus<'_> {
    /// Put the vector that row `row` stands for into `to`.
    ///
    /// # Panics
    /// When there is no such row, or `to` has another dimension.
    pub fn decode(&self, row: usize, to: &mut [f32]) {
        assert_eq!(to.len(), self.dimension(), "room for a row");
        on_backend!(backend => on_table!(*self, table => {
            if let Some(vector) = Element::as_f32(table.rows.row(row)) {
                to.copy_from_slice(vector);
            } else {
                Element::decode(backend, table.rows.row(row), table.scale(row), to);
            }
        }));
    }

    /// Fetch a row that will be read soon.
    ///
    /// # Panics
    /// When there is no such row.
    #[inline]
    pub fn fetch(&self, row: usize) {
        on_backend!(backend => on_table!(*self, table => {
            let row = table.rows.row(row);
            backend.fetch(row.as_ptr().cast(), size_of_val(row));
        }));
    }

    /// A hash of the bits of row `row`: equal rows have equal ones.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn hash(&self, row: usize) -> u64 {
        on_table!(*self, table => hash(table.rows.row(row), table.scale(row)))
    }

    /// Whether two rows are the same, bit for bit.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn same(&self, a: usize, b: usize) -> bool {
        on_table!(*self, table => {
            let (of_a, of_b) = (table.rows.row(a), table.rows.row(b));
            table.scale(a).to_bits() == table.scale(b).to_bits() && of_a.iter().zip(of_b).all(|(a, b)| a.bits() == b.bits())
        })
    }
}

/// Four sums of products, so that one need not wait for the other (the multiplier is that of FNV-1a).
fn hash<E: Element>(row: &[E], scale: f32) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut lanes = [0xcbf2_9ce4_8422_2325_u64, 1, 2, 3];
    for (i, element) in row.iter().enumerate() {
        let lane = &mut lanes[i % 4];
        *lane = (*lane ^ u64::from(element.bits())).wrapping_mul(PRIME);
        *lane ^= *lane >> 29;
    }
    let all =
        lanes.iter().fold(u64::from(scale.to_bits()), |all, lane| (all ^ lane).wrapping_mul(PRIME).rotate_left(31));
    all ^ (all >> 32)
}

/// One type of element, as the scans see it.
pub(crate) trait Element: Copy + Send + Sync + 'static {
    /// Whether the elements are f32 already.
    const F32: bool = false;
    /// Whether the elements are codes of eight bits already.
    const INT8: bool = false;

    /// The bits of an element.
    fn bits(self) -> u32;

    /// The vector that a row stands for. `scale` is 1 but for codes.
    fn decode<B: Backend>(backend: B, row: &[Self], scale: f32, to: &mut [f32]);

    /// See [`Backend::few_f32`].
    fn few<B: Backend>(backend: B, rows: FewRows<'_, Self>, squares: &mut [f32]);

    /// See [`Backend::encode_f16`]; None for elements that are not turned into codes.
    fn encode<B: Backend>(_: B, _row: &[Self], _scratch: &mut [f32], _codes: &mut [i8]) -> Option<Coded> {
        None
    }

    /// The row itself, where the elements are f32.
    fn as_f32(_row: &[Self]) -> Option<&[f32]> {
        None
    }

    /// The row itself, where the elements are codes.
    fn as_i8(_row: &[Self]) -> Option<&[i8]> {
        None
    }
}

impl Element for f32 {
    const F32: bool = true;

    fn bits(self) -> u32 {
        self.to_bits()
    }

    fn decode<B: Backend>(_: B, row: &[Self], _: f32, to: &mut [f32]) {
        to.copy_from_slice(row);
    }

    fn few<B: Backend>(backend: B, rows: FewRows<'_, Self>, squares: &mut [f32]) {
        backend.few_f32(rows, squares);
    }

    fn encode<B: Backend>(backend: B, row: &[Self], scratch: &mut [f32], codes: &mut [i8]) -> Option<Coded> {
        Some(backend.encode_f32(row, scratch, codes))
    }

    fn as_f32(row: &[Self]) -> Option<&[f32]> {
        Some(row)
    }
}

impl Element for F16 {
    fn bits(self) -> u32 {
        u32::from(self.0)
    }

    fn decode<B: Backend>(backend: B, row: &[Self], _: f32, to: &mut [f32]) {
        backend.decode_f16(row, to);
    }

    fn few<B: Backend>(backend: B, rows: FewRows<'_, Self>, squares: &mut [f32]) {
        backend.few_f16(rows, squares);
    }

    fn encode<B: Backend>(backend: B, row: &[Self], scratch: &mut [f32], codes: &mut [i8]) -> Option<Coded> {
        Some(backend.encode_f16(row, scratch, codes))
    }
}

impl Element for Bf16 {
    fn bits(self) -> u32 {
        u32::from(self.0)
    }

    fn decode<B: Backend>(backend: B, row: &[Self], _: f32, to: &mut [f32]) {
        backend.decode_bf16(row, to);
    }

    fn few<B: Backend>(backend: B, rows: FewRows<'_, Self>, squares: &mut [f32]) {
        backend.few_bf16(rows, squares);
    }

    fn encode<B: Backend>(backend: B, row: &[Self], scratch: &mut [f32], codes: &mut [i8]) -> Option<Coded> {
        Some(backend.encode_bf16(row, scratch, codes))
    }
}

impl Element for i8 {
    const INT8: bool = true;

    fn bits(self) -> u32 {
        u32::from(self.cast_unsigned())
    }

    fn decode<B: Backend>(backend: B, row: &[Self], scale: f32, to: &mut [f32]) {
        backend.decode_i8(row, scale, to);
    }

    fn few<B: Backend>(backend: B, rows: FewRows<'_, Self>, squares: &mut [f32]) {
        backend.few_i8(rows, squares);
    }

    fn as_i8(row: &[Self]) -> Option<&[i8]> {
        Some(row)
    }
}

/// Rows of one type, with a scale each where the type has one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table<'a, E> {
    pub(crate) rows: Rows<'a, E>,
    scales: Option<&'a [f32]>,
}

impl<'a, E> Table<'a, E> {
    pub(crate) fn plain(rows: Rows<'a, E>) -> Self {
        Self { rows, scales: None }
    }

    /// What the elements of row `i` are multiplied by.
    pub(crate) fn scale(&self, i: usize) -> f32 {
        self.scales.map_or(1.0, |scales| scales[i])
    }
}

impl<'a, E: Element> Table<'a, E> {
    /// The vector that row `i` stands for: the row itself, or what is made of it in `scratch`.
    pub(crate) fn vector<'v, B: Backend>(&self, backend: B, i: usize, scratch: &'v mut [f32]) -> &'v [f32]
    where
        'a: 'v,
    {
        let row = self.rows.row(i);
        if let Some(vector) = E::as_f32(row) {
            return vector;
        }
        E::decode(backend, row, self.scale(i), scratch);
        scratch
    }
}

impl<'a> From<Scaled<'a>> for Table<'a, i8> {
    fn from(scaled: Scaled<'a>) -> Self {
        Self { rows: scaled.codes, scales: Some(scaled.scales) }
    }
}
