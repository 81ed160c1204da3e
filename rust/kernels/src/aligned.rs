//! Buffers that start on a cache line.

/// Numbers of which every bit pattern is one, and that zero bits make zero.
///
/// # Safety
/// Only for types without padding or invalid bit patterns, of an alignment of 64 at most, whose size divides 64.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: primitive numbers.
unsafe impl Plain for f32 {}
// SAFETY: primitive numbers.
unsafe impl Plain for u8 {}
// SAFETY: primitive numbers.
unsafe impl Plain for i8 {}
// SAFETY: primitive numbers.
unsafe impl Plain for u64 {}

/// One cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

const LINE: usize = 64;

/// Zeroed numbers of which the first lies on a cache line, so that no vector load of a panel straddles two.
pub(crate) struct Aligned<T> {
    lines: Vec<Line>,
    length: usize,
    element: std::marker::PhantomData<T>,
}

impl<T: Plain> Default for Aligned<T> {
    fn default() -> Self {
        Self::zeroed(0)
    }
}

impl<T: Plain> Aligned<T> {
    pub(crate) fn zeroed(length: usize) -> Self {
        let lines = vec![Line([0; LINE]); (length * size_of::<T>()).div_ceil(LINE)];
        Self { lines, length, element: std::marker::PhantomData }
    }
}

impl<T: Plain> std::ops::Deref for Aligned<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `lines` owns at least `length` initialised elements in one allocation, aligned for each (`Plain`).
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }
}

impl<T: Plain> std::ops::DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and `&mut self` makes the view the only one.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_on_a_line_and_holds_what_was_asked_for() {
        for length in [0, 1, 15, 16, 17, 1000] {
            let mut buffer = Aligned::<f32>::zeroed(length);
            assert_eq!(buffer[..], vec![0.0; length]);
            assert!(length == 0 || buffer.as_ptr().addr().is_multiple_of(64));
            buffer.fill(1.0);
            assert_eq!(buffer[..], vec![1.0; length]);
            assert_eq!(Aligned::<u64>::zeroed(length)[..], vec![0; length]);
        }
    }
}
