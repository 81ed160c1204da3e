//! Panels: vectors packed side by side, so that a tile reads one stream.
//!
//! A panel of T vectors holds, step after step, LANES elements of vector 0, of vector 1, ..., of vector T - 1. The last
//! step is filled up with zeros, which on both sides change neither a sum of products nor one of squared differences.
//! Vectors that the last panel lacks are zeros too; nobody looks at their scores.

/// What is learnt of a vector while it is packed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts {
    /// The bits of the greatest absolute value. Floats without their sign order like their bits, infinity and NaN above
    /// everything finite, so one integer maximum finds both the size and whatever is not finite.
    greatest: u32,
    /// The Euclidean norm.
    pub(crate) norm: f64,
}

impl Facts {
    pub(crate) fn is_finite(self) -> bool {
        self.greatest < f32::INFINITY.to_bits()
    }

    /// The greatest absolute value; NaN when there is a NaN.
    pub(crate) fn greatest(self) -> f32 {
        f32::from_bits(self.greatest)
    }
}

/// Pack `vectors` into `panels`, of whole panels; `facts` gets an entry a vector.
///
/// Inlined into each back end's function, so that it is compiled for its instruction set.
#[inline(always)]
#[allow(clippy::inline_always, reason = "a target feature reaches only what is inlined into the function that has it")]
pub(crate) fn pack<const TILE: usize, const LANES: usize>(
    vectors: &[f32],
    dimension: usize,
    norms: bool,
    panels: &mut [f32],
    facts: &mut [Facts],
) {
    let step = TILE * LANES;
    let panel_length = dimension.div_ceil(LANES) * step;
    for (i, (vector, facts)) in vectors.chunks_exact(dimension).zip(facts).enumerate() {
        let panel = &mut panels[i / TILE * panel_length..][..panel_length];
        let at = i % TILE * LANES;
        let (whole, rest) = vector.as_chunks::<LANES>();
        let mut greatest = [0_u32; LANES];
        let mut steps = panel.chunks_exact_mut(step);
        for (from, to) in whole.iter().zip(&mut steps) {
            to[at..at + LANES].copy_from_slice(from);
            note_greatest(&mut greatest, from);
        }
        if let Some(to) = steps.next() {
            let mut last = [0.0; LANES];
            last[..rest.len()].copy_from_slice(rest);
            to[at..at + LANES].copy_from_slice(&last);
            note_greatest(&mut greatest, &last);
        }
        facts.greatest = greatest.into_iter().fold(0, u32::max);
        facts.norm = if norms { norm::<LANES>(vector) } else { 0.0 };
    }
    let count = vectors.len() / dimension;
    for i in count..count.next_multiple_of(TILE) {
        let panel = &mut panels[i / TILE * panel_length..][..panel_length];
        for to in panel.chunks_exact_mut(step) {
            to[i % TILE * LANES..][..LANES].fill(0.0);
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "see pack")]
fn note_greatest<const LANES: usize>(greatest: &mut [u32; LANES], from: &[f32; LANES]) {
    for (greatest, x) in greatest.iter_mut().zip(from) {
        *greatest = (*greatest).max(x.to_bits() & 0x7fff_ffff);
    }
}

/// The Euclidean norm, in f64: the square of no finite f32 leaves its range.
#[inline(always)]
#[allow(clippy::inline_always, reason = "see pack")]
fn norm<const LANES: usize>(vector: &[f32]) -> f64 {
    let (whole, rest) = vector.as_chunks::<LANES>();
    let mut sums = [0.0_f64; LANES];
    for from in whole {
        for (sum, &x) in sums.iter_mut().zip(from) {
            *sum += f64::from(x) * f64::from(x);
        }
    }
    for (sum, &x) in sums.iter_mut().zip(rest) {
        *sum += f64::from(x) * f64::from(x);
    }
    sums.into_iter().sum::<f64>().sqrt()
}
