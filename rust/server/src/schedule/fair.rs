//! Turns by weight, so that no priority waits for ever.
//!
//! Stride scheduling (Waldspurger and Weihl, 1995): each priority has a pass, which what it is served moves on by its
//! tokens over its weight; the lowest pass has its turn. One that had nothing to do comes back at the pass of those that
//! had: idle time saves up no turns.

use super::Priority;

/// Of twenty tokens under full load, so many are each priority's.
const WEIGHTS: [f64; 3] = [16.0, 3.0, 1.0];

#[derive(Debug, Default)]
pub(super) struct Fair {
    passes: [f64; 3],
    /// Pass of the last turn.
    current: f64,
}

impl Fair {
    /// Something came for a priority that had nothing. `waiting`: which others have.
    pub(super) fn wake(&mut self, priority: Priority, waiting: impl Fn(usize) -> bool) {
        let others = (0..3).filter(|&class| waiting(class)).map(|class| self.passes[class]);
        let least = others.min_by(f64::total_cmp).unwrap_or(self.current);
        let pass = &mut self.passes[priority.index()];
        *pass = pass.max(least);
    }

    /// Whose turn it is, of those with something to do; the higher priority when passes are equal.
    pub(super) fn turn(&self, waiting: impl Fn(usize) -> bool) -> Option<Priority> {
        let those = Priority::ALL.into_iter().filter(|priority| waiting(priority.index()));
        those.min_by(|a, b| self.passes[a.index()].total_cmp(&self.passes[b.index()]))
    }

    pub(super) fn serve(&mut self, priority: Priority, tokens: usize) {
        let class = priority.index();
        self.current = self.passes[class];
        self.passes[class] += tokens as f64 / WEIGHTS[class];
    }
}
