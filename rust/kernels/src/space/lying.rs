//! Rows as they lie, in f32.

use super::point::Point;
use super::records::TAME;
use crate::backend::{Ahead, Backend, FewRows, Operation};
use crate::element::{Element, Table};
use crate::metric::Metric;

/// Rows that are compared at once.
const ROWS: usize = 4;

/// Make `to` the point that a row is.
pub(super) fn set<B: Backend, E: Element>(backend: B, table: Table<'_, E>, row: usize, to: &mut Point, metric: Metric) {
    let mut decoded = std::mem::take(&mut to.decoded);
    decoded.resize(table.rows.dimension(), 0.0);
    to.lay(table.vector(backend, row, &mut decoded), metric);
    to.decoded = decoded;
}

/// See `Space::visit`.
pub(super) fn visit<B: Backend, E: Element>(
    backend: B,
    table: Table<'_, E>,
    point: &mut Point,
    rows: &[u32],
    metric: Metric,
    mut take: impl FnMut(f32) -> bool,
) {
    let dimension = table.rows.dimension();
    let fetch = |rows: &[u32]| {
        for &row in rows {
            let row = table.rows.row(row as usize);
            backend.fetch(row.as_ptr().cast(), size_of_val(row));
        }
    };
    let operation = if metric == Metric::L2 { Operation::SquaredDifference } else { Operation::Dot };
    let Point { floats, decoded, .. } = point;
    if !E::F32 {
        decoded.resize(ROWS * dimension, 0.0);
    }
    fetch(&rows[..rows.len().min(ROWS)]);
    for (chunk, some) in rows.chunks(ROWS).enumerate() {
        fetch(&rows[rows.len().min((chunk + 1) * ROWS)..rows.len().min((chunk + 2) * ROWS)]);
        let mut of: [&[f32]; ROWS] = [&[]; ROWS];
        if E::F32 {
            for (of, &row) in of.iter_mut().zip(some) {
                *of = E::as_f32(table.rows.row(row as usize)).unwrap_or_default();
            }
        } else {
            for (to, &row) in decoded.chunks_exact_mut(dimension).zip(some) {
                E::decode(backend, table.rows.row(row as usize), table.scale(row as usize), to);
            }
            for (of, vector) in of.iter_mut().zip(decoded.chunks_exact(dimension)) {
                *of = vector;
            }
        }
        let (mut sums, mut squares) = ([0.0_f32; ROWS], [0.0_f32; ROWS]);
        let ahead = Ahead { rows: &[], size: size_of::<f32>(), first_line: 0, lines: 0 };
        let sums_of =
            FewRows { operation, queries: &[floats], rows: &of[..some.len()], sums: &mut sums[..some.len()], ahead };
        backend.few_f32(sums_of, &mut squares[..some.len()]);
        for i in 0..some.len() {
            let distance = if TAME.contains(&squares[i]) {
                match metric {
                    Metric::L2 => sums[i],
                    Metric::InnerProduct => -sums[i],
                    Metric::Cosine => -sums[i] / squares[i].sqrt(),
                }
            } else {
                wild(backend, &floats[..dimension], of[i], metric)
            };
            // Not finite: a row that is no vector, or one that f32 cannot compare.
            if !take(distance.min(f32::INFINITY)) {
                return;
            }
        }
    }
}

/// The distance to a row whose squares f32 may not hold, or lose.
fn wild<B: Backend>(backend: B, point: &[f32], row: &[f32], metric: Metric) -> f32 {
    let square = backend.exact_squares(row);
    let distance = match metric {
        Metric::L2 => backend.exact_squared_difference(point, row),
        Metric::InnerProduct => -backend.exact_dot(point, row),
        Metric::Cosine if square == 0.0 => 0.0,
        Metric::Cosine => -backend.exact_dot(point, row) / square.sqrt(),
    };
    distance as f32
}
