//! Texts to tokens: the same for rows of a segment, rows of a tail, and queries.

use std::collections::HashSet;
use std::sync::Arc;

use frostem::{Algorithm, Stemmer};

use crate::Error;
use crate::labels::codes_within;
use crate::normalise::{normalise, push_lower_case};
use crate::remembered::{Fate, Remembered, Short, Token};
use crate::runs::{Run, runs};
use crate::settings::{Language, Settings, StopWords};
use crate::stop_words::ENGLISH;
use crate::words::camel_parts;

/// Longest token, in bytes of UTF-8. A longer word is cut into tokens of that length, so that it is still found.
pub const MOST_TOKEN_BYTES: usize = 255;

/// Longest text, in bytes of UTF-8.
const MOST_TEXT_BYTES: usize = 1 << 27;

/// Makes tokens of texts. Cheap to clone; each thread wants its own, for it keeps its memory between texts.
#[derive(Clone)]
pub struct Analyser {
    settings: Arc<Settings>,
    stop_words: Arc<HashSet<Box<str>>>,
    stemmer: Option<Stemmer>,
    memory: Memory,
}

#[derive(Default)]
struct Memory {
    run: Run,
    word: String,
    remembered: Remembered,
}

impl Clone for Memory {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Analyser {
    /// The analyser of these settings.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let stop_words = match settings.stop_words() {
            StopWords::None => HashSet::new(),
            StopWords::English => ENGLISH.into_iter().map(Box::from).collect(),
            StopWords::Own(words) => words.iter().map(|word| word.as_str().into()).collect(),
        };
        Self {
            settings: Arc::new(settings.clone()),
            stop_words: Arc::new(stop_words),
            stemmer: (settings.language() == Language::English).then(|| Stemmer::new(Algorithm::English)),
            memory: Memory::default(),
        }
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Call `each` with every token of `text`, in order. A token has 1 to [`MOST_TOKEN_BYTES`] bytes.
    pub fn tokens(&mut self, text: &str, mut each: impl FnMut(&str)) {
        self.memory.remembered.make_room();
        self.remembered_tokens(text, |token| each(token.text()));
    }

    /// The words that it remembers.
    pub(crate) fn remembered(&mut self) -> &mut Remembered {
        &mut self.memory.remembered
    }

    /// As `tokens`, for those who have a use for the numbers of stems. It forgets none of them meanwhile.
    pub(crate) fn remembered_tokens(&mut self, text: &str, mut each: impl FnMut(Token)) {
        let text = normalise(text);
        let Memory { mut run, mut word, mut remembered } = std::mem::take(&mut self.memory);
        let reduce = Reduce { stop_words: &self.stop_words, stemmer: self.stemmer };
        runs(&text, &mut run, |run| {
            if run.code {
                let kept = whole(&text[run.words[0].0..run.end], &mut word, &mut each);
                if kept && run.abbreviation {
                    return;
                }
                codes_within(&text, run, |start, end| {
                    whole(&text[start..end], &mut word, &mut each);
                });
            }
            for &(from, to) in &run.words {
                let one = &text[from..to];
                reduce.token(one, &mut word, &mut remembered, &mut each);
                if one.len() <= MOST_TOKEN_BYTES {
                    camel_parts(one, |part| reduce.token(part, &mut word, &mut remembered, &mut each));
                }
            }
        });
        self.memory = Memory { run, word, remembered };
    }
}

/// Whether the tokens of a text can be counted in 32 bits, however many they are.
pub(crate) fn check_length(text: &str) -> Result<(), Error> {
    // Each word gives its token and those of its parts, and with others those of codes, at most 2 for a byte of the text,
    // which NFKC makes at most 18 times longer (U+FDFA); 3 bytes of UTF-8 are the fewest that grow so.
    if text.len() > MOST_TEXT_BYTES { Err(Error::TextTooLong) } else { Ok(()) }
}

/// What is done to a word.
struct Reduce<'a> {
    stop_words: &'a HashSet<Box<str>>,
    stemmer: Option<Stemmer>,
}

impl Reduce<'_> {
    fn token(&self, one: &str, word: &mut String, remembered: &mut Remembered, each: &mut impl FnMut(Token)) {
        let mut short = one.is_ascii().then(|| Short::of(one)).flatten();
        if short.is_none() {
            lower_case_into(one, word);
            if word.len() > MOST_TOKEN_BYTES {
                return pieces(word, each);
            }
            short = Short::of(word);
        }
        match short.and_then(|short| remembered.get(short)) {
            Some(Fate::Stem(number)) => return each(Token::Known(number, remembered)),
            Some(Fate::StopWord) => return,
            None => {}
        }
        lower_case_into(one, word);
        if self.stop_words.contains(word.as_str()) {
            if let Some(short) = short {
                remembered.insert_stop_word(short);
            }
            return;
        }
        // There is no end of numbers: to remember them would push words out.
        if word.contains(char::is_numeric) {
            return each(Token::New(word));
        }
        let stem = self.stemmer.map(|stemmer| stemmer.stem(word));
        // The word itself, where a stemmer leaves nothing of it.
        let stem = stem.as_deref().filter(|stem| !stem.is_empty()).unwrap_or(word);
        match short.and_then(|short| remembered.insert(short, stem)) {
            Some(number) => each(Token::Known(number, remembered)),
            None => each(Token::New(stem)),
        }
    }
}

/// A code in one piece; whether it is short enough for that.
fn whole(code: &str, word: &mut String, each: &mut impl FnMut(Token)) -> bool {
    word.clear();
    // Lower case may be a little longer: the bound is checked on both.
    if code.len() > MOST_TOKEN_BYTES {
        return false;
    }
    push_lower_case(code, word);
    let fits = word.len() <= MOST_TOKEN_BYTES;
    if fits {
        each(Token::New(word));
    }
    fits
}

fn lower_case_into(one: &str, word: &mut String) {
    word.clear();
    push_lower_case(one, word);
}

/// A word that is too long, piece by piece.
fn pieces(word: &str, each: &mut impl FnMut(Token)) {
    let mut rest = word;
    while !rest.is_empty() {
        let mut end = rest.len().min(MOST_TOKEN_BYTES);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, more) = rest.split_at(end);
        each(Token::New(piece));
        rest = more;
    }
}
