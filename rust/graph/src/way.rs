//! The way of a query down through the layers, a step at a time.

use crate::filtered::{self, Filter, Step};
use crate::scratch::Scratch;
use crate::search::Task;
use crate::walk::{Walk, nearest};

/// Where a query is.
enum Stage {
    /// In an upper layer, which it entered by this node.
    Above(usize, u32, Walk),
    /// In the lowest.
    Lowest(Walk),
    /// In the lowest, with a mask.
    Filtered(filtered::Walk),
}

/// A query under way.
pub(crate) struct Way {
    number: usize,
    stage: Stage,
}

impl Way {
    /// Begin for query `number` of the task. The same scratch goes with each step.
    pub(crate) fn begin(task: &Task<'_>, number: usize, query: &[f32], scratch: &mut Scratch) -> Self {
        task.space.set(&mut scratch.point, query);
        let stage = match task.sections.entry() {
            Some((entry, highest)) => above(task, highest, entry, scratch),
            None => lowest(task, number, task.work.facts.entry, scratch),
        };
        Self { number, stage }
    }

    /// Take a step.
    pub(crate) fn step(&mut self, task: &Task<'_>, scratch: &mut Scratch) -> Step {
        let space = &task.space;
        match &mut self.stage {
            Stage::Above(level, entry, walk) => {
                if !walk.step(space, &task.sections.upper(*level), scratch) {
                    let at = nearest(scratch, *entry);
                    self.stage = if *level > 1 {
                        above(task, *level - 1, at, scratch)
                    } else {
                        lowest(task, self.number, task.sections.upper_rows[at as usize], scratch)
                    };
                }
                Step::Another
            }
            Stage::Lowest(walk) => {
                if walk.step(space, &task.sections.lowest(), scratch) {
                    Step::Another
                } else {
                    Step::Found
                }
            }
            Stage::Filtered(walk) => {
                let Some(mask) = task.mask else { return Step::Found };
                let filter =
                    Filter { mask, twins: task.sections.twins, passes_over: task.passes_over, patience: task.patience };
                walk.step(space, &task.sections.lowest(), &filter, scratch)
            }
        }
    }
}

fn above(task: &Task<'_>, level: usize, entry: u32, scratch: &mut Scratch) -> Stage {
    Stage::Above(level, entry, Walk::begin(&task.space, &task.sections.upper(level), (entry, None), 1, scratch))
}

fn lowest(task: &Task<'_>, number: usize, at: u32, scratch: &mut Scratch) -> Stage {
    let (layer, ef) = (task.sections.lowest(), task.work.ef);
    if task.mask.is_some() {
        return Stage::Filtered(filtered::Walk::begin(&task.space, &layer, at, ef, scratch));
    }
    let left_out = task.left_out.get(number).map(|&row| row as u32);
    Stage::Lowest(Walk::begin(&task.space, &layer, (at, left_out), ef, scratch))
}
