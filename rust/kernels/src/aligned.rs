//! Buffers that start on a cache line.

/// One cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

const LINE: usize = 16;

/// Zeroed f32 whose first element lies on a cache line, so that no vector load of a panel straddles two.
pub(crate) struct Aligned {
    lines: Vec<Line>,
    length: usize,
}

impl Aligned {
    pub(crate) fn zeroed(length: usize) -> Self {
        Self { lines: vec![Line([0.0; LINE]); length.div_ceil(LINE)], length }
    }

    pub(crate) fn as_slice(&self) -> &[f32] {
        // SAFETY: `lines` owns at least `length` initialised f32 in one allocation: `Line` is LINE of them without
        // padding (64 bytes, alignment 64), and f32 needs less alignment than `Line`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: as in `as_slice`, and `&mut self` makes the view the only one.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_on_a_line_and_holds_what_was_asked_for() {
        for length in [0, 1, 15, 16, 17, 1000] {
            let mut buffer = Aligned::zeroed(length);
            assert_eq!(buffer.as_slice(), vec![0.0; length]);
            assert!(length == 0 || buffer.as_slice().as_ptr().addr().is_multiple_of(64));
            buffer.as_mut_slice().fill(1.0);
            assert_eq!(buffer.as_slice(), vec![1.0; length]);
        }
    }
}
