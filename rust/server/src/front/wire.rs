//! Vectors on the wire, and the enumerations beside them.

use bytes::Bytes;
use half::f16;

use crate::engine::{Embedded, InputType, quoted};
use crate::executor::Matrix;
use crate::failure::{Failure, Kind};
use crate::proto::crossfade::v1::{Encoding, InputType as WireInputType, Metric, Priority as WirePriority, Vectors};
use crate::schedule::Priority;

/// Texts up to which a call counts as interactive, when it does not say.
const INTERACTIVE_TEXTS: usize = 16;

pub(crate) fn input_type(number: i32) -> Result<InputType, Failure> {
    let given = match WireInputType::try_from(number) {
        Ok(WireInputType::Query) => return Ok(InputType::Query),
        Ok(WireInputType::Document) => return Ok(InputType::Document),
        Ok(WireInputType::Unspecified) => "unspecified".to_owned(),
        Err(_) => format!("unknown ({number})"),
    };
    Err(Failure::invalid(format!(
        "input_type is {given}: say INPUT_TYPE_QUERY or INPUT_TYPE_DOCUMENT, a model may encode them differently"
    )))
}

pub(crate) fn priority(number: i32, texts: usize) -> Result<Priority, Failure> {
    match WirePriority::try_from(number) {
        Ok(WirePriority::Unspecified) if texts > INTERACTIVE_TEXTS => Ok(Priority::Bulk),
        Ok(WirePriority::Unspecified | WirePriority::Interactive) => Ok(Priority::Interactive),
        Ok(WirePriority::Bulk) => Ok(Priority::Bulk),
        Ok(WirePriority::Shadow) => Ok(Priority::Shadow),
        Err(_) => Err(Failure::invalid(format!(
            "priority {number} is unknown: use PRIORITY_INTERACTIVE, PRIORITY_BULK or PRIORITY_SHADOW"
        ))),
    }
}

pub(crate) fn metric(number: i32) -> Result<crossfade_kernels::Metric, Failure> {
    match Metric::try_from(number) {
        Ok(Metric::Unspecified | Metric::Cosine) => Ok(crossfade_kernels::Metric::Cosine),
        Ok(Metric::InnerProduct) => Ok(crossfade_kernels::Metric::InnerProduct),
        Ok(Metric::L2) => Ok(crossfade_kernels::Metric::L2),
        Err(_) => Err(Failure::invalid(format!(
            "metric {number} is unknown: use METRIC_COSINE, METRIC_INNER_PRODUCT or METRIC_L2"
        ))),
    }
}

/// The float32 vectors of a request; `what` names them.
pub(crate) fn matrix(vectors: &Vectors, what: &str) -> Result<Matrix, Failure> {
    if vectors.encoding != Encoding::Float32 as i32 {
        return Err(Failure::invalid(format!(
            "{what}: the encoding is {}: send float32 values (ENCODING_FLOAT32)",
            Encoding::try_from(vectors.encoding).map_or("unknown", |encoding| encoding.as_str_name())
        )));
    }
    let (count, dimension) = (vectors.count as usize, vectors.dimension as usize);
    let expected = count as u128 * dimension as u128 * 4;
    if vectors.data.len() as u128 != expected {
        return Err(Failure::invalid(format!(
            "{what}: data holds {} bytes, but count {count} times dimension {dimension} times 4 is {expected}: send \
             little-endian float32 values, row after row",
            vectors.data.len()
        )));
    }
    if dimension == 0 && count > 0 {
        return Err(Failure::invalid(format!("{what}: dimension is 0: every vector needs at least one value")));
    }
    let values = vectors.data.chunks_exact(4).map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]])).collect();
    Ok(Matrix { values, dimension })
}

/// Vectors as a caller wants them: cut to `dimensions` (0 keeps all), and written as `encoding`.
pub(crate) fn vectors(embedded: &Embedded, dimensions: usize, encoding: i32) -> Result<Vectors, Failure> {
    let encoding = Encoding::try_from(encoding).map_err(|_| {
        Failure::invalid(format!(
            "encoding {encoding} is unknown: use ENCODING_FLOAT32, ENCODING_FLOAT16, ENCODING_INT8 or ENCODING_BINARY"
        ))
    })?;
    let kept = if dimensions == 0 { embedded.dimension } else { dimensions };
    if kept == embedded.dimension {
        return write(embedded.rows.iter().map(crate::engine::Row::vector), embedded.rows.len(), kept, encoding);
    }
    let cut: Vec<Vec<f32>> =
        embedded.rows.iter().map(|row| shortened(&row.vector()[..kept], embedded.normalise)).collect();
    write(cut.iter().map(Vec::as_slice), cut.len(), kept, encoding)
}

/// Refuses dimensions that a model does not have, before it is run.
pub(crate) fn check_dimensions(dimensions: u32, dimension: usize, model: &str) -> Result<usize, Failure> {
    let dimensions = dimensions as usize;
    if dimensions > dimension {
        return Err(Failure::invalid(format!(
            "dimensions is {dimensions}, and the vectors of model {} have {dimension}: ask for that many or fewer",
            quoted(model)
        )));
    }
    Ok(dimensions)
}

/// The fingerprint of vectors that are cut: no index of whole ones takes them.
pub(crate) fn fingerprint(embedded: &Embedded, dimensions: usize) -> String {
    if dimensions == 0 || dimensions == embedded.dimension {
        embedded.fingerprint.clone()
    } else {
        format!("{}@{dimensions}", embedded.fingerprint)
    }
}

/// The beginning of a vector, at unit length again where the whole had it.
fn shortened(vector: &[f32], normalise: bool) -> Vec<f32> {
    let square: f64 = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    if !normalise || square == 0.0 {
        return vector.to_vec();
    }
    let norm = square.sqrt();
    vector.iter().map(|&x| (f64::from(x) / norm) as f32).collect()
}

fn write<'v>(
    rows: impl Iterator<Item = &'v [f32]>,
    count: usize,
    dimension: usize,
    encoding: Encoding,
) -> Result<Vectors, Failure> {
    let width = match encoding {
        Encoding::Float32 => 4 * dimension,
        Encoding::Float16 => 2 * dimension,
        Encoding::Int8 => dimension,
        Encoding::Binary => dimension.div_ceil(8),
    };
    let mut data = vec![0_u8; count * width];
    let mut scales = Vec::new();
    for (to, row) in data.chunks_exact_mut(width.max(1)).zip(rows) {
        match encoding {
            Encoding::Float32 => {
                for (to, x) in to.chunks_exact_mut(4).zip(row) {
                    to.copy_from_slice(&x.to_le_bytes());
                }
            }
            Encoding::Float16 => {
                for (to, &x) in to.chunks_exact_mut(2).zip(row) {
                    let half = f16::from_f32(x);
                    if !half.is_finite() {
                        return Err(Failure::new(
                            Kind::InvalidInput,
                            format!("an element is {x}, beyond what float16 holds: ask for ENCODING_FLOAT32"),
                        ));
                    }
                    to.copy_from_slice(&half.to_le_bytes());
                }
            }
            Encoding::Int8 => scales.push(to_int8(row, to)),
            Encoding::Binary => {
                for (to, eight) in to.iter_mut().zip(row.chunks(8)) {
                    *to = eight.iter().enumerate().fold(0, |byte, (i, &x)| byte | u8::from(x > 0.0) << (7 - i));
                }
            }
        }
    }
    Ok(Vectors {
        count: count as u32,
        dimension: dimension as u32,
        data: Bytes::from(data),
        encoding: encoding as i32,
        scales,
    })
}

/// The codes of a row, and their scale, as `crossfade.kernels.quantise` has them.
fn to_int8(row: &[f32], to: &mut [u8]) -> f32 {
    let greatest = row.iter().fold(0.0_f32, |greatest, x| greatest.max(x.abs()));
    let scale = if greatest == 0.0 { 1.0 } else { (greatest / 127.0).max(f32::from_bits(1)) };
    for (to, x) in to.iter_mut().zip(row) {
        *to = ((x / scale).round_ties_even().clamp(-127.0, 127.0) as i8).cast_unsigned();
    }
    scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_written_in_every_encoding() {
        let row = [0.5_f32, -1.0, 0.25, 0.0, 0.1, -0.1, 0.0, 1.0, 0.125];
        let write = |encoding| write([&row[..]].into_iter(), 1, 9, encoding).unwrap();
        let read = matrix(&write(Encoding::Float32), "x").unwrap();
        assert_eq!(read.values, row);
        assert_eq!(write(Encoding::Float16).data[..4], [0x00, 0x38, 0x00, 0xbc]);
        let codes = write(Encoding::Int8);
        assert_eq!((codes.data[1].cast_signed(), codes.data[7].cast_signed()), (-127, 127));
        assert_eq!(codes.scales, [1.0 / 127.0]);
        assert_eq!(write(Encoding::Binary).data[..], [0b1010_1001, 0b1000_0000]);
        assert!(matrix(&write(Encoding::Binary), "x").unwrap_err().message.contains("ENCODING_BINARY"));
    }

    #[test]
    fn what_is_cut_has_unit_length_where_the_whole_had() {
        let cut = shortened(&[3.0, 4.0], true);
        assert_eq!(cut, [0.6, 0.8]);
        assert_eq!(shortened(&[3.0, 4.0], false), [3.0, 4.0]);
        assert_eq!(shortened(&[0.0, 0.0], true), [0.0, 0.0]);
    }
}
