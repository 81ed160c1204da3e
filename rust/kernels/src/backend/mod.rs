//! What a processor must be able to do, and which back end it gets.
//!
//! A back end has two duties that are kept apart. It **scans**: in whatever order and precision is fastest, within an
//! error that `bound` knows. And it **scores**: in f64, as `exact` defines it, one result on every processor. A scan only
//! says which pairs might exceed their query's threshold; what a caller sees is scored.
//!
//! In a tile the queries lie in the lanes of the vectors and the rows of the corpus are read where they are, an element
//! at a time, broadcast to all lanes: the corpus is never packed, no sum crosses lanes, and a vector of sums is held
//! against a vector of thresholds with one comparison. One or a few queries would leave most lanes empty; for them
//! `few` lays the lanes along the dimension.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod generic;
mod portable;

use crate::element::{Bf16, F16};

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(any(test, target_arch = "aarch64"))]
pub(crate) use portable::Neon;
pub(crate) use portable::Portable;

/// What is summed up over the elements of two vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Products.
    Dot,
    /// Squares of the differences: no cancellation, and exactly 0 between equal vectors.
    SquaredDifference,
}

/// Queries that any back end's `few` takes.
pub(crate) const FEW: usize = 4;

/// Rows of codes that `dots` takes.
pub(crate) const DOTS: usize = 4;

/// Queries that some back end's `few` takes.
pub(crate) const MOST_FEW: usize = 8;

/// Elements that the queries of `few`, and rows that are coded, are filled up to with zeros.
pub(crate) const FEW_STEP: usize = 64;

/// Steps of a tile in which it fetches from as many rows.
pub(crate) const TILE_STEPS: usize = 16;

/// Bytes of a cache line.
pub(crate) const LINE_BYTES: usize = 64;

/// One row of codes against [`DOTS`] others that lie anywhere.
#[derive(Clone, Copy)]
pub(crate) struct Dots<'a> {
    /// Filled up with zeros to a multiple of [`FEW_STEP`], 2^16 elements at most.
    pub(crate) point: &'a [i8],
    /// The sum of its codes.
    pub(crate) sum: i32,
    /// The bytes of codes, at least as many; what stands where the point is filled up does not matter.
    pub(crate) rows: [&'a [u8]; DOTS],
    /// The rows that come next, to be fetched meanwhile; empty where there are none.
    pub(crate) next: [&'a [u8]; DOTS],
}

/// Codes against the bits of [`DOTS`] rows that lie anywhere.
#[derive(Clone, Copy)]
pub(crate) struct BitSums<'a> {
    /// Filled up with zeros to a multiple of [`FEW_STEP`], 2^16 elements at most.
    pub(crate) point: &'a [i8],
    /// A bit for each code at least, in little bit order; what stands where the point is filled up does not matter.
    pub(crate) rows: [&'a [u8]; DOTS],
}

/// Signs of rows, [`BIT_LANES`] rows side by side, against those of one query.
#[derive(Clone, Copy)]
pub(crate) struct SignRows<'a> {
    pub(crate) query: &'a [u64],
    /// Of eight rows after eight: the first word of each, then the second of each, as many as the query has.
    pub(crate) rows: &'a [u64],
    /// The number of the first row.
    pub(crate) first: u32,
    /// The distance that what is found is below.
    pub(crate) below: u64,
}

/// How the bytes of levels are cut up, in words of eight of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Words of bytes that are a level each.
    pub(crate) whole: usize,
    /// Of bytes that are two levels of four bits, the lower first.
    pub(crate) halves: usize,
    /// Of bytes that are four levels of two bits.
    pub(crate) quarters: usize,
}

impl Cut {
    /// Words of a row.
    #[inline]
    pub(crate) fn words(self) -> usize {
        self.whole + self.halves + self.quarters
    }

    /// Words of weights: one for each level of a byte.
    #[inline]
    pub(crate) fn weights(self) -> usize {
        self.whole + 2 * self.halves + QUARTERS * self.quarters
    }

    /// How many levels a byte of a word is.
    #[inline]
    pub(crate) fn levels(self, word: usize) -> usize {
        if word < self.whole {
            1
        } else if word < self.whole + self.halves {
            2
        } else {
            QUARTERS
        }
    }
}

/// Levels that a byte is at most.
pub(crate) const QUARTERS: usize = 4;

/// Levels of rows, [`BIT_LANES`] rows side by side, and the weights of one query.
#[derive(Clone, Copy)]
pub(crate) struct LevelRows<'a> {
    pub(crate) cut: Cut,
    /// Of each word in turn as many as a byte of it is levels, each the weights of eight levels, as i8.
    pub(crate) weights: &'a [u64],
    /// As in [`SignRows`].
    pub(crate) rows: &'a [u64],
    /// What the sum of levels times weights is taken from.
    pub(crate) offset: i32,
    /// By how many bits what is left is shifted to the right.
    pub(crate) shift: u32,
    /// What is farther is as far.
    pub(crate) farthest: u16,
}

/// Weights of levels against those of [`DOTS`] rows that lie anywhere.
#[derive(Clone, Copy)]
pub(crate) struct LevelSums<'a> {
    pub(crate) cut: Cut,
    /// By byte of a row, those of its first level, its second, third and fourth; zeros where there is none.
    pub(crate) weights: [&'a [i8]; QUARTERS],
    /// As many bytes each, a multiple of [`FEW_STEP`].
    pub(crate) rows: [&'a [u8]; DOTS],
}

/// Rows against up to `Backend::FEW` queries.
pub(crate) struct FewRows<'a, E> {
    pub(crate) operation: Operation,
    /// Each filled up with zeros to a multiple of [`FEW_STEP`].
    pub(crate) queries: &'a [&'a [f32]],
    pub(crate) rows: &'a [&'a [E]],
    /// Gets the sums, query by query, a row each.
    pub(crate) sums: &'a mut [f32],
    pub(crate) ahead: Ahead<'a>,
}

/// Rows of codes against up to [`FEW`] queries in codes.
pub(crate) struct FewCodes<'a> {
    /// Each filled up with zeros to a multiple of [`FEW_STEP`].
    pub(crate) queries: &'a [&'a [i8]],
    pub(crate) rows: &'a [&'a [i8]],
    /// Gets the sums of products, query by query, a row each.
    pub(crate) sums: &'a mut [i32],
    /// Gets each row's sum of squares.
    pub(crate) squares: &'a mut [i32],
    pub(crate) ahead: Ahead<'a>,
}

/// Where the rows lie that will be scanned next: to fetch them meanwhile may save the time that it takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ahead<'a> {
    /// The beginning of each row; no row that may be read, just places.
    pub(crate) rows: &'a [*const u8],
    /// Bytes of an element.
    pub(crate) size: usize,
    /// Of the cache lines that sixteen steps of a tile take of a row: the first to fetch, and how many.
    pub(crate) first_line: usize,
    pub(crate) lines: usize,
}

impl<'a> Ahead<'a> {
    /// The rows, for the panel `panel` of `panels` that pass over a block before they come: each fetches its share, for
    /// memory takes its time.
    pub(crate) fn new<E>(rows: &'a [*const u8], elements_per_step: usize, panel: usize, panels: usize) -> Self {
        let size = size_of::<E>();
        let all = (TILE_STEPS * elements_per_step * size).div_ceil(LINE_BYTES);
        let lines = all.div_ceil(panels);
        let first_line = panel * lines;
        Self { rows: if first_line < all { rows } else { &[] }, size, first_line, lines }
    }

    /// Those of `count` rows from `first` on.
    #[cfg(target_arch = "x86_64")]
    fn of(self, first: usize, count: usize) -> Self {
        let rows = &self.rows[self.rows.len().min(first)..self.rows.len().min(first + count)];
        Self { rows, ..self }
    }
}

/// A block of rows against one panel of queries.
pub(crate) struct Tile<'a> {
    pub(crate) operation: Operation,
    /// For each element in turn: that of all queries, `thresholds.len()` of them, which is a multiple of `LANES`.
    pub(crate) panel: &'a [f32],
    pub(crate) rows: &'a [&'a [f32]],
    /// What each row's sums are multiplied by before they are compared. NaN: this row hits nothing.
    pub(crate) scales: &'a [f32],
    /// By query: what must be exceeded.
    pub(crate) thresholds: &'a [f32],
    /// Gets a word a row: bit q is set when the row's score exceeds the threshold of query q.
    pub(crate) hits: &'a mut [u64],
    pub(crate) ahead: Ahead<'a>,
}

/// A block of coded rows against one panel of coded queries.
pub(crate) struct TileI8<'a> {
    /// For each four elements in turn: those of all queries, four and four, with [`BIAS`] added.
    pub(crate) panel: &'a [u8],
    pub(crate) rows: &'a [&'a [i8]],
    /// [`BIAS`] times the sum of each row's codes.
    pub(crate) biases: &'a [i32],
    /// As in [`Tile`].
    pub(crate) scales: &'a [f32],
    /// As in [`Tile`].
    pub(crate) thresholds: &'a [f32],
    /// As in [`Tile`].
    pub(crate) hits: &'a mut [u64],
    pub(crate) ahead: Ahead<'a>,
}

/// What is added to the code of a query's element, which makes it a u8.
pub(crate) const BIAS: i32 = 128;

/// A row turned into codes: row = scale * codes, but for an error.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Coded {
    pub(crate) scale: f32,
    /// The sum of squares of the differences between the row and what its codes stand for, in f32.
    pub(crate) error: f32,
    /// The row's sum of squares, in f32.
    pub(crate) square: f32,
    /// The sum of the codes.
    pub(crate) sum: i32,
}

pub(crate) trait Backend: Copy + Send + Sync + 'static {
    /// Its name, for people.
    const NAME: &'static str;
    /// Queries in a vector of a tile.
    const LANES: usize;
    /// Vectors in a panel at most; `LANES * VECTORS` is at most 64.
    const VECTORS: usize;
    /// Rows that a block is a multiple of, best.
    const ROWS: usize;
    /// Queries that `few` takes at most, as long as it is faster than `tile`; [`MOST_FEW`] at most.
    const FEW: usize = FEW;

    /// Whether `tile_i8` is at least twice as fast as `tile`.
    fn has_tile_i8(self) -> bool {
        false
    }

    /// The sums of f32 rows with a few queries, and each row's sum of squares.
    fn few_f32(self, rows: FewRows<'_, f32>, squares: &mut [f32]);
    /// The same for half precision.
    fn few_f16(self, rows: FewRows<'_, F16>, squares: &mut [f32]);
    /// The same for bfloat16.
    fn few_bf16(self, rows: FewRows<'_, Bf16>, squares: &mut [f32]);
    /// The same for codes, without their scales.
    fn few_i8(self, rows: FewRows<'_, i8>, squares: &mut [f32]);

    /// The sums of products of codes, of 2^16 elements at most, with [`FEW`] queries.
    fn few_codes(self, rows: FewCodes<'_>) {
        generic::few_codes(rows);
    }

    /// The sums of products of one row of codes with others that lie anywhere.
    fn dots(self, of: Dots<'_>) -> [i32; DOTS];

    /// Whether `bit_sums` is faster than `dots`.
    fn has_bit_sums(self) -> bool {
        false
    }

    /// For each row, the sum of the codes whose bits are set.
    fn bit_sums(self, of: BitSums<'_>) -> [i32; DOTS] {
        generic::bit_sums(of)
    }

    /// Append the rows that differ from the query in fewer than so many bits: the distance above, the row in the lower 32
    /// bits, in the order of rows.
    fn signs_below(self, of: SignRows<'_>, found: &mut Vec<u64>) {
        generic::signs_below(of, found);
    }

    /// In how many bits each row differs from the query, 2^16 - 1 at most. `rows`: as [`SignRows`] has them, as many as there
    /// is room for.
    fn sign_distances(self, query: &[u64], rows: &[u64], to: &mut [u16]) {
        generic::sign_distances(query, rows, to);
    }

    /// For each row, the sum of its levels times their weights.
    fn level_sums(self, of: LevelSums<'_>) -> [i32; DOTS] {
        generic::level_sums(of)
    }

    /// How far each row is, by its levels. `to`: as many as there is room for in the rows.
    fn level_distances(self, of: LevelRows<'_>, to: &mut [u16]) {
        generic::level_distances(of, to);
    }

    /// Append the places of numbers that are at most so much, ascending.
    fn places_at_most(self, numbers: &[u16], most: u16, places: &mut Vec<u32>) {
        generic::places_at_most(numbers, most, 0, places);
    }

    /// How many numbers are at most so much.
    fn count_at_most(self, numbers: &[u16], most: u16) -> usize {
        generic::count_at_most(numbers, most)
    }

    /// Half precision as f32.
    fn decode_f16(self, row: &[F16], to: &mut [f32]);
    /// bfloat16 as f32.
    fn decode_bf16(self, row: &[Bf16], to: &mut [f32]);
    /// Codes times their scale, as f32.
    fn decode_i8(self, row: &[i8], scale: f32, to: &mut [f32]);

    /// The sum of squares.
    fn squares(self, row: &[f32]) -> f32;
    /// Copy a row, and return its sum of squares.
    fn copy(self, row: &[f32], to: &mut [f32]) -> f32 {
        to.copy_from_slice(row);
        self.squares(row)
    }
    /// The sum and the sum of squares of codes, of 2^16 at most.
    fn sums_i8(self, row: &[i8]) -> (i32, i32);
    /// Turn a row into codes, -127 to 127; what they are does not matter where the row's square is not finite, or very
    /// small. `scratch` and `codes` have room for the row filled up to a multiple of [`FEW_STEP`], which they are.
    fn encode_f16(self, row: &[F16], scratch: &mut [f32], codes: &mut [i8]) -> Coded;
    /// The same for f32.
    fn encode_f32(self, row: &[f32], scratch: &mut [f32], codes: &mut [i8]) -> Coded;
    /// The same for bfloat16.
    fn encode_bf16(self, row: &[Bf16], scratch: &mut [f32], codes: &mut [i8]) -> Coded;

    /// Fetch what lies at a place into the nearest cache; nothing is read that a program could see.
    fn fetch(self, _from: *const u8, _bytes: usize) {}
    /// Find the hits of a block.
    fn tile(self, tile: Tile<'_>);
    /// The products of rows with one panel of queries, `lanes` of them: `products` gets `lanes` a row.
    fn products(self, panel: &[f32], lanes: usize, rows: &[&[f32]], products: &mut [f32]);
    /// Bit l: whether `values[l]` is at least `least[l]`; there are as many of each, a multiple of `LANES`, 64 at most.
    fn at_least(self, values: &[f32], least: &[f32]) -> u64 {
        let bits = values.iter().zip(least).map(|(value, least)| u64::from(value >= least));
        bits.enumerate().fold(0, |word, (lane, bit)| word | bit << lane)
    }
    /// Find the hits of a coded block.
    fn tile_i8(self, tile: TileI8<'_>);

    /// `exact::dot`
    fn exact_dot(self, query: &[f32], row: &[f32]) -> f64;
    /// `exact::squared_difference`
    fn exact_squared_difference(self, query: &[f32], row: &[f32]) -> f64;
    /// `exact::squares`
    fn exact_squares(self, row: &[f32]) -> f64;

    /// Find the hits of a block of binary rows.
    fn hamming(self, tile: TileBits<'_>);
    /// Bits that are set.
    fn ones(self, bytes: &[u8]) -> usize {
        generic::ones(bytes)
    }
    /// Bits that differ.
    fn distance(self, a: &[u64], b: &[u64]) -> u32;
}

/// A block of binary rows against one panel of binary queries.
pub(crate) struct TileBits<'a> {
    /// The queries, one after the other.
    pub(crate) queries: &'a [u64],
    /// For each word in turn: that of all queries, `thresholds.len()` of them, a multiple of [`BIT_LANES`].
    pub(crate) panel: &'a [u64],
    /// Row after row, of `panel.len() / thresholds.len()` words.
    pub(crate) rows: &'a [u64],
    /// By query: the distance that a hit must be below; less than 2^63.
    pub(crate) thresholds: &'a [u64],
    /// Gets a word a row: bit q is set when the distance to query q is below its threshold.
    pub(crate) hits: &'a mut [u64],
}

/// Binary queries in a vector.
pub(crate) const BIT_LANES: usize = 8;
