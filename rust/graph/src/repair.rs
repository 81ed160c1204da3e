//! Every row can be reached.
//!
//! A row's links are chosen anew when others come near, and the last link to it may be among those that go. Such rows are
//! few, but nobody would ever find them: from the nearest rows that can be reached and have room, links are added.

use crossfade_kernels::Options;

use crate::build::Builder;
use crate::error::Error;
use crate::layer::Layer;
use crate::pool::node;
use crate::scratch::Scratch;
use crate::walk::walk;

/// Which nodes of the lowest layer can be reached.
struct Reached<'b, 'a> {
    builder: &'b Builder<'a>,
    seen: Vec<bool>,
    open: Vec<u32>,
}

impl Reached<'_, '_> {
    /// From here too.
    fn from(&mut self, start: u32) {
        if !std::mem::replace(&mut self.seen[start as usize], true) {
            self.open.push(start);
        }
        let layer = self.builder.lowest();
        while let Some(node) = self.open.pop() {
            layer.each(node, |to| {
                if !std::mem::replace(&mut self.seen[to as usize], true) {
                    self.open.push(to);
                }
            });
        }
    }
}

/// Link what cannot be reached from `entry`. Returns how many rows that left out, for want of room near them.
pub(crate) fn repair(
    builder: &Builder<'_>,
    entry: u32,
    is_first: &[bool],
    options: Options<'_>,
) -> Result<usize, Error> {
    let mut reached = Reached { builder, seen: vec![false; is_first.len()], open: Vec::new() };
    reached.from(entry);
    let mut lent = builder.spare.lend(builder.dimension());
    let scratch = lent.get();
    let mut unreachable = 0;
    for (row, &is_first) in is_first.iter().enumerate() {
        if !is_first || reached.seen[row] {
            continue;
        }
        if options.interrupted.is_some_and(|interrupted| interrupted()) {
            return Err(crossfade_kernels::Error::Interrupted.into());
        }
        if link(builder, entry, row as u32, scratch) {
            reached.from(row as u32);
        } else {
            unreachable += 1;
        }
    }
    Ok(unreachable)
}

/// How often the walk for a place is made wider.
const WIDER: usize = 3;

fn link(builder: &Builder<'_>, entry: u32, row: u32, scratch: &mut Scratch) -> bool {
    let layer = builder.lowest();
    for wider in 0..WIDER {
        builder.space.set_row(&mut scratch.point, row);
        walk(&builder.space, &layer, (entry, None), builder.ef() << (2 * wider), scratch);
        if scratch.pool.entries().iter().any(|&found| layer.add_if_room(node(found), row)) {
            return true;
        }
    }
    false
}
