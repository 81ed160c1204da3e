//! Which neighbours to keep (Malkov and Yashunin 2018, algorithm 4, without its extensions, as hnswlib has it).

use crossfade_kernels::{Point, Space};

use crate::pool::{Entry, distance, node};

/// Of `candidates`, nearest first, up to `most` that are nearer to the point they were found for than to any kept before:
/// links in all directions, and few that another one saves. Fewer candidates than `most` are all kept.
///
/// `row_of`: the row of a node. `kept` gets nodes and `rows` theirs.
pub(crate) fn select(
    space: &Space<'_>,
    candidates: &[Entry],
    most: usize,
    row_of: impl Fn(u32) -> u32,
    point: &mut Point,
    (kept, rows): (&mut Vec<u32>, &mut Vec<u32>),
) {
    kept.clear();
    rows.clear();
    let all = candidates.len() < most;
    for &candidate in candidates {
        if kept.len() == most {
            break;
        }
        let row = row_of(node(candidate));
        if !all {
            space.set_row(point, row);
            if space.any_nearer(point, rows, distance(candidate)) {
                continue;
            }
        }
        kept.push(node(candidate));
        rows.push(row);
    }
}
