//! Many short strings in one allocation.

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

    /// Add all strings of `other`, in their order.
    pub(crate) fn append(&mut self, other: &Self) {
        let shift = self.text.len();
        self.text.push_str(&other.text);
        self.ends.extend(other.ends.iter().map(|end| end + shift));
    }

    pub(crate) fn reserve(&mut self, strings: usize, bytes: usize) {
        self.ends.reserve(strings);
        self.text.reserve(bytes);
    }

    /// Bytes in all strings together.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_back() {
        let (mut texts, mut more) = (Texts::default(), Texts::default());
        ["a", "", "雪", ""].iter().for_each(|text| texts.push(text));
        ["b", ""].iter().for_each(|text| more.push(text));
        texts.append(&more);
        assert_eq!((0..texts.len()).map(|i| texts.get(i)).collect::<Vec<_>>(), ["a", "", "雪", "", "b", ""]);
        assert_eq!((texts.len(), texts.bytes()), (6, 5));
    }
}
