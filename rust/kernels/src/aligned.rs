//! Buffers that start on a cache line, and large ones on a large page.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

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

const LINE: usize = 64;

/// A large page. Of what lies anywhere in megabytes, each row is on a page of its own: with pages of 4 KiB most looks at one
/// begin with a walk through the tables of pages. (A search that scans near cells takes 3 to 5 % less.)
const LARGE_PAGE: usize = 2 << 20;

/// Buffers of so many bytes lie on large pages, where the system has them: half of the last may stay empty.
const LARGE: usize = LARGE_PAGE / 2;

/// Zeroed numbers of which the first lies on a cache line, so that no vector load of a panel straddles two.
pub(crate) struct Aligned<T> {
    first: NonNull<T>,
    length: usize,
}

// SAFETY: it owns its numbers, as a vector does.
unsafe impl<T: Plain + Send> Send for Aligned<T> {}
// SAFETY: as above.
unsafe impl<T: Plain + Sync> Sync for Aligned<T> {}

impl<T: Plain> Default for Aligned<T> {
    fn default() -> Self {
        Self::zeroed(0)
    }
}

/// How a buffer of so many bytes is laid out; None of none.
///
/// # Panics
/// Where there cannot be so many.
fn layout(bytes: usize) -> Option<Layout> {
    let align = if bytes >= LARGE { LARGE_PAGE } else { LINE };
    let size = bytes.checked_next_multiple_of(align).expect("bytes of a buffer");
    (size > 0).then(|| Layout::from_size_align(size, align).expect("bytes of a buffer"))
}

impl<T: Plain> Aligned<T> {
    /// # Panics
    /// Where there cannot be so many.
    pub(crate) fn zeroed(length: usize) -> Self {
        let bytes = length.checked_mul(size_of::<T>()).expect("bytes of a buffer");
        let Some(layout) = layout(bytes) else {
            return Self { first: NonNull::<Line>::dangling().cast(), length };
        };
        // SAFETY: the layout is not empty.
        let start = unsafe { alloc(layout) };
        let Some(first) = NonNull::new(start) else { handle_alloc_error(layout) };
        if layout.align() == LARGE_PAGE {
            // Before anything is written: what is there already stays where it lies.
            on_large_pages(start, layout.size());
        }
        // SAFETY: the allocation has as many bytes.
        unsafe { start.write_bytes(0, layout.size()) };
        Self { first: first.cast(), length }
    }
}

#[cfg(target_os = "linux")]
fn on_large_pages(start: *mut u8, bytes: usize) {
    // SAFETY: a hint, about whole pages of an allocation of ours; it changes nothing that a program could see.
    let _ = unsafe { libc::madvise(start.cast(), bytes, libc::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn on_large_pages(_: *mut u8, _: usize) {}

/// Where nothing lies: as aligned as anything else.
#[repr(align(64))]
struct Line;

impl<T> Drop for Aligned<T> {
    fn drop(&mut self) {
        if let Some(layout) = layout(self.length * size_of::<T>()) {
            // SAFETY: it was allocated with this layout.
            unsafe { dealloc(self.first.as_ptr().cast(), layout) };
        }
    }
}

impl<T: Plain> std::ops::Deref for Aligned<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: at least `length` initialised elements in one allocation, aligned for each (`Plain`).
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.length) }
    }
}

impl<T: Plain> std::ops::DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and `&mut self` makes the view the only one.
        unsafe { std::slice::from_raw_parts_mut(self.first.as_ptr(), self.length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_on_a_line_and_holds_what_was_asked_for() {
        for length in [0, 1, 15, 16, 17, 1000, LARGE / 4 - 1, LARGE / 4, LARGE + 7] {
            let mut buffer = Aligned::<f32>::zeroed(length);
            assert_eq!(&buffer[..], &vec![0.0; length][..]);
            assert!(length == 0 || buffer.as_ptr().addr().is_multiple_of(64));
            assert!(length < LARGE / 4 || buffer.as_ptr().addr().is_multiple_of(LARGE_PAGE));
            buffer.fill(1.0);
            assert_eq!(buffer[..], vec![1.0; length]);
            assert_eq!(Aligned::<u64>::zeroed(length)[..], vec![0; length]);
        }
    }
}
