//! The directions along which rows differ most: the first principal components of a sample of them.
//!
//! Found by turning a few directions by the rows' covariance again and again, each made perpendicular to those before
//! (orthogonal iteration). That they come out exactly does not matter: whatever is perpendicular serves, the better the
//! more of what rows differ by lies along it.

use crate::aligned::Aligned;
use crate::backend::{Backend, DOTS, Dots, FEW_STEP};

/// Directions of length 1, about perpendicular to one another, in codes.
pub(super) struct Axes {
    /// One after another, each filled up with zeros to a multiple of [`FEW_STEP`].
    codes: Aligned<u8>,
    filled: usize,
    /// What a product of codes is multiplied by. 0: no direction.
    scales: Vec<f32>,
}

/// How often directions are turned. (With sixteen, levels were off by as much, of rows of topics, and by 2 % less of sentences
/// by `MiniLM`.)
const TURNS: usize = 4;

/// A direction of which so little is left, of its square, when it is made perpendicular to others is none.
const NOTHING: f32 = 1e-8;

/// Sums that are added up side by side.
const LANES: usize = 16;

impl Axes {
    /// The first `count` components of `vectors`, which are taken from their mean and filled up with zeros to `filled`
    /// elements, a multiple of [`FEW_STEP`]; zeros where they differ along fewer. One more, at `none`, is no
    /// direction.
    pub(super) fn of<B: Backend>(backend: B, vectors: &[f32], filled: usize, (count, none): (usize, usize)) -> Self {
        let lanes = B::LANES * B::VECTORS;
        let covariance = covariance(backend, vectors, filled, lanes);
        let rows: Vec<&[f32]> = covariance.chunks(filled).collect();
        let wide = count.next_multiple_of(lanes);
        // Any directions, the same each time: columns of the covariance would be zeros of elements that are all equal.
        let number = |i: u64| (mixed(i) >> 40) as f32 / (1_u64 << 24) as f32 - 0.5;
        let mut axes: Vec<f32> = (0..(count * filled) as u64).map(number).collect();
        perpendicular(&mut axes, filled);
        // By element: those of all directions, as `products` has it.
        let (mut panel, mut turned) = (vec![0.0; filled * lanes], vec![0.0; filled * lanes]);
        for _ in 0..TURNS {
            let before = axes.clone();
            for first in (0..wide).step_by(lanes) {
                panel.fill(0.0);
                let some = first..count.min(first + lanes);
                for (lane, axis) in some.clone().enumerate() {
                    for (d, &x) in before[axis * filled..][..filled].iter().enumerate() {
                        panel[d * lanes + lane] = x;
                    }
                }
                backend.products(&panel, lanes, &rows, &mut turned);
                for (lane, axis) in some.enumerate() {
                    for (d, x) in axes[axis * filled..][..filled].iter_mut().enumerate() {
                        *x = turned[d * lanes + lane];
                    }
                }
            }
            perpendicular(&mut axes, filled);
        }
        axes.splice(none * filled..none * filled, std::iter::repeat_n(0.0, filled));
        let count = count + 1;
        let mut codes = Aligned::zeroed(count.next_multiple_of(DOTS) * filled);
        let mut scales = Vec::with_capacity(count);
        for (axis, codes) in axes.chunks(filled).zip(codes.chunks_mut(filled)) {
            let greatest = axis.iter().fold(0.0_f32, |greatest, x| greatest.max(x.abs()));
            let scale = greatest / 127.0;
            scales.push(scale);
            if greatest > 0.0 {
                codes.iter_mut().zip(axis).for_each(|(to, x)| *to = ((x / scale).round() as i8).cast_unsigned());
            }
        }
        Self { codes, filled, scales }
    }

    /// Fill `to` with how far a vector in codes lies along each. `codes`: filled up with zeros; `scale`: theirs.
    #[inline]
    pub(super) fn along<B: Backend>(&self, backend: B, codes: &[i8], scale: f32, to: &mut Vec<f32>) {
        let sum = backend.sums_i8(codes).0;
        to.clear();
        to.resize(self.scales.len(), 0.0);
        for ((to, scales), axes) in
            to.chunks_mut(DOTS).zip(self.scales.chunks(DOTS)).zip(self.codes.chunks_exact(DOTS * self.filled))
        {
            let mut rows = [axes; DOTS];
            for (row, axis) in rows.iter_mut().zip(axes.chunks_exact(self.filled)) {
                *row = axis;
            }
            let sums = backend.dots(Dots { point: codes, sum, rows, next: rows });
            for ((to, axis), sum) in to.iter_mut().zip(scales).zip(sums) {
                *to = scale * axis * sum as f32;
            }
        }
    }
}

/// A number that looks like any other, the same for the same one.
fn mixed(i: u64) -> u64 {
    let i = (i ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let i = (i ^ i >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    i ^ i >> 31
}

/// The products of each two elements, summed up over all vectors and divided by the greatest of them: for directions, their
/// length does not matter.
fn covariance<B: Backend>(backend: B, vectors: &[f32], filled: usize, lanes: usize) -> Vec<f32> {
    let count = vectors.len() / filled;
    // By element, so that what is summed up lies together.
    let mut elements = vec![0.0; vectors.len()];
    for (i, vector) in vectors.chunks(filled).enumerate() {
        for (d, &x) in vector.iter().enumerate() {
            elements[d * count + i] = x;
        }
    }
    let rows: Vec<&[f32]> = elements.chunks(count.max(1)).collect();
    let mut covariance = vec![0.0; filled * filled];
    let (mut panel, mut products) = (vec![0.0; count * lanes], vec![0.0; filled * lanes]);
    for first in (0..filled).step_by(lanes) {
        let here = lanes.min(filled - first);
        for (to, vector) in panel.chunks_mut(lanes).zip(vectors.chunks(filled)) {
            to[..here].copy_from_slice(&vector[first..first + here]);
        }
        backend.products(&panel, lanes, &rows, &mut products);
        for (to, from) in covariance.chunks_mut(filled).zip(products.chunks(lanes)) {
            to[first..first + here].copy_from_slice(&from[..here]);
        }
    }
    let greatest = covariance.iter().fold(f32::MIN_POSITIVE, |greatest, x| greatest.max(x.abs()));
    for x in &mut covariance {
        *x /= greatest;
    }
    covariance
}

/// Make each vector perpendicular to those before it, and of length 1; zeros where nothing of it is left. Twice, since the
/// first time leaves what rounding does to long ones.
fn perpendicular(vectors: &mut [f32], filled: usize) {
    for at in 0..vectors.len() / filled {
        let (before, rest) = vectors.split_at_mut(at * filled);
        let own = &mut rest[..filled];
        let whole = product(own, own);
        for _ in 0..2 {
            for other in before.chunks(filled) {
                let along = product(own, other);
                own.iter_mut().zip(other).for_each(|(x, other)| *x -= along * other);
            }
        }
        let left = product(own, own);
        let factor = if left > NOTHING * whole && left.is_normal() { left.sqrt().recip() } else { 0.0 };
        for x in own {
            *x = if factor > 0.0 { *x * factor } else { 0.0 };
        }
    }
}

fn product(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

const _: () = assert!(FEW_STEP.is_multiple_of(LANES));
