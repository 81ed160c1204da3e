//! Words that an analyser has met, and what became of them: looked up by the bytes of the word itself, without a pointer
//! to follow, as most tokens of a text are words that came before.

use std::hash::{Hash, Hasher};

use ahash::AHashMap;

/// Words that are remembered. Their stems have numbers below it.
pub(crate) const MOST_REMEMBERED: usize = 1 << 16;

/// A word in lower case that is short enough to be kept in place, and its length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short([u64; 3]);

/// What becomes of a word.
#[derive(Clone, Copy)]
pub(crate) enum Fate {
    /// It is left out.
    StopWord,
    /// The number of its stem.
    Stem(u32),
}

/// Words, with what becomes of them.
#[derive(Default)]
pub(crate) struct Remembered {
    words: AHashMap<Short, Fate>,
    numbers: AHashMap<Box<str>, u32>,
    stems: Vec<Box<str>>,
    forgotten: u64,
}

/// A token of a text.
#[derive(Clone, Copy)]
pub(crate) enum Token<'a> {
    /// The stem with that number.
    Known(u32, &'a Remembered),
    /// Of a word that is not remembered.
    New(&'a str),
}

impl Short {
    const MOST_BYTES: usize = 23;

    /// `word`, whose ASCII letters may be capitals and no others; None where it is too long.
    pub(crate) fn of(word: &str) -> Option<Self> {
        if word.len() > Self::MOST_BYTES {
            return None;
        }
        let mut bytes = [0; 24];
        bytes[..word.len()].copy_from_slice(word.as_bytes());
        bytes.make_ascii_lowercase();
        bytes[Self::MOST_BYTES] = word.len() as u8;
        let (numbers, _) = bytes.as_chunks();
        Some(Self(std::array::from_fn(|at| u64::from_ne_bytes(numbers[at]))))
    }
}

impl Hash for Short {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.iter().for_each(|&number| state.write_u64(number));
    }
}

impl Remembered {
    pub(crate) fn get(&self, word: Short) -> Option<Fate> {
        self.words.get(&word).copied()
    }

    /// Remember a stop word, if there is room.
    pub(crate) fn insert_stop_word(&mut self, word: Short) {
        if self.words.len() < MOST_REMEMBERED {
            self.words.insert(word, Fate::StopWord);
        }
    }

    /// Remember a word; the number of its stem. None where there is no room.
    pub(crate) fn insert(&mut self, word: Short, stem: &str) -> Option<u32> {
        if self.words.len() >= MOST_REMEMBERED {
            return None;
        }
        let number = self.numbers.get(stem).copied().unwrap_or_else(|| {
            let number = self.stems.len() as u32;
            self.stems.push(stem.into());
            self.numbers.insert(stem.into(), number);
            number
        });
        self.words.insert(word, Fate::Stem(number));
        Some(number)
    }

    /// Forget everything where no more words can be remembered. Numbers are given anew then.
    pub(crate) fn make_room(&mut self) {
        if self.words.len() >= MOST_REMEMBERED {
            *self = Self { forgotten: self.forgotten + 1, ..Self::default() };
        }
    }

    /// How often it has forgotten everything.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The stem of a number.
    pub(crate) fn stem(&self, number: u32) -> &str {
        &self.stems[number as usize]
    }
}

impl<'a> Token<'a> {
    pub(crate) fn text(self) -> &'a str {
        match self {
            Self::Known(number, remembered) => remembered.stem(number),
            Self::New(text) => text,
        }
    }
}
