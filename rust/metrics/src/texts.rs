//! Many short strings in one allocation.

use std::ops::Range;

/// Strings one after another in an arena; a string's number is its position.
#[derive(Debug, Clone, Default)]
pub(crate) struct Texts {
    text: String,
    ends: Vec<usize>,
}

impl Texts {
    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    /// The string with this number, which there must be.
    pub(crate) fn get(&self, number: usize) -> &str {
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.text[start..self.ends[number]]
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Strings from their bytes and ends.
    ///
    /// # Panics
    /// When the bytes are not those of strings.
    pub(crate) fn from_parts(bytes: Vec<u8>, ends: Vec<usize>) -> Self {
        Self { text: String::from_utf8(bytes).expect("strings make a string"), ends }
    }

    pub(crate) fn reserve(&mut self, strings: usize, bytes: usize) {
        self.ends.reserve(strings);
        self.text.reserve(bytes);
    }

    /// How many bytes the strings with these numbers have together.
    pub(crate) fn bytes(&self, numbers: Range<usize>) -> usize {
        let end_of = |count: usize| if count == 0 { 0 } else { self.ends[count - 1] };
        end_of(numbers.end) - end_of(numbers.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_back() {
        let mut texts = Texts::default();
        for text in ["a", "", "雪", "", "b"] {
            texts.push(text);
        }
        assert_eq!((0..texts.len()).map(|i| texts.get(i)).collect::<Vec<_>>(), ["a", "", "雪", "", "b"]);
        assert_eq!([texts.bytes(0..5), texts.bytes(1..3), texts.bytes(5..5), texts.bytes(0..0)], [5, 3, 0, 0]);
        let again = Texts::from_parts("a雪".into(), vec![1, 1, 4]);
        assert_eq!((0..again.len()).map(|i| again.get(i)).collect::<Vec<_>>(), ["a", "", "雪"]);
    }
}
