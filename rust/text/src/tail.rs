//! Rows in memory that no segment has yet: appended in batches, searched by many threads meanwhile.
//!
//! Texts are analysed before the lock is taken, and a search holds it only to copy the rows of its terms. So neither
//! waits for the other longer than it takes to copy a list.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use crate::analyse::check_length;
use crate::bm25::Norms;
use crate::lengths::code;
use crate::peaks::Peak;
use crate::search::MOST_ROWS;
use crate::{Analyser, Error, Settings};

/// A part that grows. Cheap to clone: clones are the same tail.
#[derive(Clone)]
pub struct Tail {
    settings: Arc<Settings>,
    analyser: Analyser,
    /// Those that no batch needs now, with what they remember of words.
    spare: Arc<Mutex<Vec<Analyser>>>,
    content: Arc<RwLock<Content>>,
}

#[derive(Default)]
struct Content {
    terms: HashMap<Box<str>, Rows>,
    /// A byte a row, see `lengths`.
    lengths: Vec<u8>,
    /// Tokens of a row and all before it.
    tokens: Vec<u64>,
}

/// The rows of a term, ascending, and how often each has it.
#[derive(Default)]
struct Rows {
    rows: Vec<u32>,
    frequencies: Vec<u32>,
}

/// The first rows of a tail, as they are and stay: an immutable part.
#[derive(Clone)]
pub struct View {
    tail: Tail,
    rows: u32,
    tokens: u64,
}

/// A copy of a term's rows.
#[derive(Clone, Default)]
pub(crate) struct Copied {
    pub(crate) rows: Vec<u32>,
    pub(crate) frequencies: Vec<u32>,
    /// A byte each, see `lengths`.
    pub(crate) lengths: Vec<u8>,
}

impl Copied {
    /// What a row gets at most: as if the row that has the term most often were the shortest.
    pub(crate) fn bound(&self, weight: f64, norms: &Norms) -> u64 {
        let most = self.frequencies.iter().max().zip(self.lengths.iter().min());
        most.map_or(0, |(&frequency, &length)| Peak { frequency, length }.bound(weight, norms))
    }
}

impl Tail {
    /// A tail without rows.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let analyser = Analyser::new(settings);
        Self { settings: Arc::new(settings.clone()), analyser, spare: Arc::default(), content: Arc::default() }
    }

    /// The settings of its analyser.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Append a row for each text, all or none; the number of the first. Whoever asks from then on finds them.
    ///
    /// # Errors
    /// [`Error::TooManyRows`], [`Error::TextTooLong`].
    pub fn append<T: AsRef<str>>(&self, texts: &[T]) -> Result<u64, Error> {
        texts.iter().try_for_each(|text| check_length(text.as_ref()))?;
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut analyser = spare.unwrap_or_else(|| self.analyser.clone());
        let Batch { terms, lengths } = Batch::of(&mut analyser, texts);
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(analyser);
        let mut content = self.content.write().unwrap_or_else(PoisonError::into_inner);
        let first = content.lengths.len();
        if (first + texts.len()) as u64 > MOST_ROWS {
            return Err(Error::TooManyRows);
        }
        for (term, mut list) in terms {
            list.rows.iter_mut().for_each(|row| *row += first as u32);
            match content.terms.entry(term) {
                Entry::Occupied(mut there) => {
                    there.get_mut().rows.append(&mut list.rows);
                    there.get_mut().frequencies.append(&mut list.frequencies);
                }
                Entry::Vacant(place) => _ = place.insert(list),
            }
        }
        for length in lengths {
            let before = content.tokens.last().copied().unwrap_or(0);
            content.tokens.push(before + length);
            content.lengths.push(code(u32::try_from(length).unwrap_or(u32::MAX)));
        }
        Ok(first as u64)
    }

    /// Forget the rows from there on. Views that hold any of them must not be used any more.
    pub fn cut(&self, rows: u64) {
        let mut content = self.content.write().unwrap_or_else(PoisonError::into_inner);
        if rows >= content.lengths.len() as u64 {
            return;
        }
        content.lengths.truncate(rows as usize);
        content.tokens.truncate(rows as usize);
        content.terms.retain(|_, list| {
            let end = list.rows.partition_point(|&row| u64::from(row) < rows);
            list.rows.truncate(end);
            list.frequencies.truncate(end);
            end > 0
        });
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.read().lengths.len() as u64
    }

    /// What it holds now.
    #[must_use]
    pub fn view(&self) -> View {
        let content = self.read();
        let (rows, tokens) = (content.lengths.len() as u32, content.tokens.last().copied().unwrap_or(0));
        drop(content);
        View { tail: self.clone(), rows, tokens }
    }

    /// Its first `rows` rows.
    ///
    /// # Errors
    /// [`Error::Parameter`] where it has fewer.
    pub fn first(&self, rows: u64) -> Result<View, Error> {
        let content = self.read();
        if rows > content.lengths.len() as u64 {
            let what = format!("{rows} rows of a tail of {}", content.lengths.len());
            return Err(Error::Parameter { what, expected: "at most the rows that the tail has" });
        }
        let tokens = if rows == 0 { 0 } else { content.tokens[rows as usize - 1] };
        drop(content);
        Ok(View { tail: self.clone(), rows: rows as u32, tokens })
    }

    fn read(&self) -> RwLockReadGuard<'_, Content> {
        self.content.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View {
    /// Its rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        u64::from(self.rows)
    }

    /// Tokens of its rows.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// The settings of its analyser.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        self.tail.settings()
    }

    pub(crate) fn analyser(&self) -> &Analyser {
        &self.tail.analyser
    }

    /// The byte of a row's length, see `lengths`.
    pub(crate) fn length(&self, row: u32) -> u8 {
        self.tail.read().lengths[row as usize]
    }

    /// The rows of each of some terms.
    pub(crate) fn copy<'t>(&self, terms: impl Iterator<Item = &'t str>) -> Vec<Copied> {
        let content = self.tail.read();
        let copy = |term: &str| {
            let Some(list) = content.terms.get(term) else { return Copied::default() };
            let end = list.rows.partition_point(|&row| row < self.rows);
            let rows = list.rows[..end].to_vec();
            let lengths = rows.iter().map(|&row| content.lengths[row as usize]).collect();
            Copied { rows, frequencies: list.frequencies[..end].to_vec(), lengths }
        };
        terms.map(copy).collect()
    }
}

/// Texts on their way into a tail: their terms, with rows that count from the first of them, and their lengths in tokens.
#[derive(Default)]
struct Batch {
    terms: HashMap<Box<str>, Rows>,
    lengths: Vec<u64>,
}

impl Batch {
    fn of<T: AsRef<str>>(analyser: &mut Analyser, texts: &[T]) -> Self {
        let mut batch = Self::default();
        for (row, text) in texts.iter().enumerate() {
            let (row, mut length) = (row as u32, 0);
            analyser.tokens(text.as_ref(), |token| {
                length += 1;
                match batch.terms.get_mut(token) {
                    Some(list) => list.add(row),
                    None => {
                        batch.terms.insert(token.into(), Rows { rows: vec![row], frequencies: vec![1] });
                    }
                }
            });
            batch.lengths.push(length);
        }
        batch
    }
}

impl Rows {
    /// Once more in that row, which is the last or a new one.
    fn add(&mut self, row: u32) {
        if self.rows.last() == Some(&row)
            && let Some(frequency) = self.frequencies.last_mut()
        {
            *frequency += 1;
        } else {
            self.rows.push(row);
            self.frequencies.push(1);
        }
    }
}
