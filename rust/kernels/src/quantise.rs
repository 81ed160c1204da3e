//! Smaller forms of vectors.

use std::sync::{Mutex, PoisonError};

use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

use crate::search::Options;
use crate::share_out::share_out;
use crate::{Error, Rows};

/// IEEE binary16, rounded to nearest, ties to even. `to`: the bits, row by row.
///
/// # Errors
/// [`Error::NotFinite`], [`Error::HalfRange`] for an element beyond 65504, [`Error::Interrupted`].
///
/// # Panics
/// When `to` does not have as many elements as `rows`.
pub fn to_f16(rows: Rows<'_, f32>, to: &mut [u16], options: Options<'_>) -> Result<(), Error> {
    let parts = to.chunks_mut(rows.dimension());
    by_row(rows, parts, options, |row, to| {
        let to = to.reinterpret_cast_mut::<half::f16>();
        to.convert_from_f32_slice(row);
        if to.iter().all(|x| x.is_finite()) { Ok(()) } else { Err(Error::HalfRange) }
    })
}

/// bfloat16, rounded to nearest, ties to even. `to`: the bits, row by row.
///
/// # Errors
/// [`Error::NotFinite`], [`Error::BrainRange`] for an element that rounds to infinity, [`Error::Interrupted`].
///
/// # Panics
/// When `to` does not have as many elements as `rows`.
pub fn to_bf16(rows: Rows<'_, f32>, to: &mut [u16], options: Options<'_>) -> Result<(), Error> {
    let parts = to.chunks_mut(rows.dimension());
    by_row(rows, parts, options, |row, to| {
        let to = to.reinterpret_cast_mut::<half::bf16>();
        to.convert_from_f32_slice(row);
        if to.iter().all(|x| x.is_finite()) { Ok(()) } else { Err(Error::BrainRange) }
    })
}

/// Codes from -127 to 127 and a scale for each row: its greatest element is 127 times the scale, and every other one is
/// within half a scale of its code times the scale. A row of zeros has the scale 1.
///
/// # Errors
/// [`Error::NotFinite`], [`Error::Interrupted`].
///
/// # Panics
/// When `codes` does not have as many elements, or `scales` not as many numbers, as `rows` has.
pub fn to_int8(rows: Rows<'_, f32>, codes: &mut [i8], scales: &mut [f32], options: Options<'_>) -> Result<(), Error> {
    assert_eq!(scales.len(), rows.len(), "one scale a row");
    let parts = codes.chunks_mut(rows.dimension()).zip(scales);
    by_row(rows, parts, options, |row, (codes, scale)| {
        let greatest = row.iter().fold(0.0_f32, |greatest, x| greatest.max(x.abs()));
        **scale = match greatest / 127.0 {
            0.0 if greatest == 0.0 => 1.0,
            // 127 of the least number there is would be more than the greatest element.
            0.0 => f32::from_bits(1),
            scale => scale,
        };
        for (to, x) in codes.iter_mut().zip(row) {
            *to = (x / **scale).round_ties_even().clamp(-127.0, 127.0) as i8;
        }
        Ok(())
    })
}

/// One bit an element, set where it is greater than 0; the first element is the highest bit of the first byte, and the
/// bits that fill up the last byte are 0. `to`: ceil(dimension / 8) bytes a row.
///
/// # Errors
/// [`Error::NotFinite`], [`Error::Interrupted`].
///
/// # Panics
/// When `to` does not have as many bytes as that.
pub fn to_binary(rows: Rows<'_, f32>, to: &mut [u8], options: Options<'_>) -> Result<(), Error> {
    let parts = to.chunks_mut(rows.dimension().div_ceil(8));
    by_row(rows, parts, options, |row, to| {
        for (to, x) in to.iter_mut().zip(row.chunks(8)) {
            *to = x.iter().enumerate().fold(0, |byte, (i, &x)| byte | u8::from(x > 0.0) << (7 - i));
        }
        Ok(())
    })
}

/// Elements that a thread takes at a time.
const STEP: usize = 1 << 18;

/// Do every row, with its part of what is written, on all threads. The error is that of the first row that has one.
fn by_row<P: Send>(
    rows: Rows<'_, f32>,
    parts: impl Iterator<Item = P>,
    options: Options<'_>,
    convert: impl Fn(&[f32], &mut P) -> Result<(), fn(usize) -> Error> + Sync,
) -> Result<(), Error> {
    let mut parts: Vec<P> = parts.collect();
    assert_eq!(parts.len(), rows.len(), "room for every row");
    let step = (STEP / rows.dimension()).max(1);
    let chunks: Vec<Mutex<&mut [P]>> = parts.chunks_mut(step).map(Mutex::new).collect();
    let first_row = |chunk| chunk * step;
    share_out(
        chunks.len(),
        options,
        first_row,
        || (),
        |(), chunk, _| {
            let mut parts = chunks[chunk].lock().unwrap_or_else(PoisonError::into_inner);
            for (number, part) in (first_row(chunk)..).zip(parts.iter_mut()) {
                let row = rows.row(number);
                let finite = row.iter().all(|x| x.is_finite());
                let result = if finite { convert(row, part) } else { Err(Error::NotFinite as fn(usize) -> Error) };
                result.map_err(|error| (number, error(number)))?;
            }
            Ok(())
        },
    )
}
