//! Rows in memory that no segment has yet: appended in batches, searched by many threads meanwhile.
//!
//! Texts are analysed before the lock is taken. A batch holds it while its terms get their rows, a search while it copies
//! those of its terms: neither waits for the other longer than that.

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use ahash::AHashMap;

use crate::analyse::check_length;
use crate::bm25::Norms;
use crate::lengths::code;
use crate::peaks::Peak;
use crate::remembered::{MOST_REMEMBERED, Token};
use crate::search::MOST_ROWS;
use crate::{Analyser, Error, Settings};

/// A part that grows. Cheap to clone: clones are the same tail.
#[derive(Clone)]
pub struct Tail {
    settings: Arc<Settings>,
    analyser: Analyser,
    /// Those that no batch needs now.
    spare: Arc<Mutex<Vec<Reader>>>,
    content: Arc<RwLock<Content>>,
}

#[derive(Default)]
struct Content {
    /// Where the terms' rows are in `lists`.
    terms: AHashMap<Box<str>, u32>,
    lists: Vec<Vec<Posting>>,
    /// A byte a row, see `lengths`.
    lengths: Vec<u8>,
    /// Tokens of a row and all before it.
    tokens: Vec<u64>,
}

/// A row that has a term, and how often. Those of a term are ascending.
struct Posting {
    row: u32,
    frequency: u32,
}

/// What reads texts: an analyser, and where in `lists` the stems are whose numbers it knows.
struct Reader {
    analyser: Analyser,
    places: Vec<u32>,
    /// As of its `Remembered`, when the places were noted.
    forgotten: u64,
}

/// A place that is not known.
const UNKNOWN: u32 = u32::MAX;

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

/// Rows, each with its terms.
pub(crate) struct ByRow {
    terms: Vec<Box<str>>,
    /// Of one row after the other: where its terms are in `terms`, and how often it has them.
    entries: Vec<(u32, u32)>,
    /// Where those of each row end.
    ends: Vec<usize>,
}

impl ByRow {
    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A row's terms, and how often it has them.
    pub(crate) fn terms(&self, row: usize) -> impl Iterator<Item = (&str, u32)> {
        let begin = if row == 0 { 0 } else { self.ends[row - 1] };
        self.entries[begin..self.ends[row]].iter().map(|&(term, frequency)| (&*self.terms[term as usize], frequency))
    }
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
        let mut reader = spare.unwrap_or_else(|| Reader::new(self.analyser.clone()));
        let batch = reader.read(texts);
        let mut content = self.content.write().unwrap_or_else(PoisonError::into_inner);
        let first = content.lengths.len();
        if (first + texts.len()) as u64 > MOST_ROWS {
            return Err(Error::TooManyRows);
        }
        content.add(&batch, &mut reader);
        drop(content);
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
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
        // Terms that no row has any more stay, as readers know their places.
        for list in &mut content.lists {
            let end = list.partition_point(|posting| u64::from(posting.row) < rows);
            list.truncate(end);
        }
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

    /// A copy of all that its rows have, row by row.
    pub(crate) fn by_row(&self) -> ByRow {
        let content = self.tail.read();
        let mut ends = vec![0_usize; self.rows as usize];
        let of = |list: &[Posting]| list.partition_point(|posting| posting.row < self.rows);
        for list in &content.lists {
            list[..of(list)].iter().for_each(|posting| ends[posting.row as usize] += 1);
        }
        // From how many there are of each row to where each begins; what is filled in moves that on to where each ends.
        let mut all = 0;
        for end in &mut ends {
            all += std::mem::replace(end, all);
        }
        let mut entries = vec![(0, 0); all];
        for (place, list) in (0..).zip(&content.lists) {
            for posting in &list[..of(list)] {
                let at = &mut ends[posting.row as usize];
                entries[*at] = (place, posting.frequency);
                *at += 1;
            }
        }
        let mut terms = vec![Box::default(); content.lists.len()];
        for (term, &place) in &content.terms {
            terms[place as usize] = term.clone();
        }
        ByRow { terms, entries, ends }
    }

    /// The rows of each of some terms.
    pub(crate) fn copy<'t>(&self, terms: impl Iterator<Item = &'t str>) -> Vec<Copied> {
        let content = self.tail.read();
        let copy = |term: &str| {
            let Some(&place) = content.terms.get(term) else { return Copied::default() };
            let list = &content.lists[place as usize];
            let list = &list[..list.partition_point(|posting| posting.row < self.rows)];
            Copied {
                rows: list.iter().map(|posting| posting.row).collect(),
                frequencies: list.iter().map(|posting| posting.frequency).collect(),
                lengths: list.iter().map(|posting| content.lengths[posting.row as usize]).collect(),
            }
        };
        terms.map(copy).collect()
    }
}

/// Texts on their way into a tail.
#[derive(Default)]
struct Batch {
    /// Of one text after the other: its terms and how often it has them. Terms are numbered as the analyser numbers stems;
    /// those that it does not remember from `MOST_REMEMBERED` on, and may be stems that have a number too.
    terms: Vec<(u32, u32)>,
    /// Where the terms of each text end.
    ends: Vec<usize>,
    /// Tokens of each text.
    lengths: Vec<u64>,
    others: AHashMap<Box<str>, u32>,
}

impl Reader {
    fn new(analyser: Analyser) -> Self {
        Self { analyser, places: vec![], forgotten: 0 }
    }

    fn read<T: AsRef<str>>(&mut self, texts: &[T]) -> Batch {
        self.analyser.remembered().make_room();
        let mut batch = Batch::default();
        let mut tokens = vec![];
        for text in texts {
            tokens.clear();
            self.analyser.remembered_tokens(text.as_ref(), |token| {
                tokens.push(match token {
                    Token::Known(number, _) => number,
                    Token::New(text) => batch.other(text),
                });
            });
            batch.lengths.push(tokens.len() as u64);
            tokens.sort_unstable();
            batch.terms.extend(tokens.chunk_by(|one, next| one == next).map(|same| (same[0], same.len() as u32)));
            batch.ends.push(batch.terms.len());
        }
        batch
    }
}

impl Batch {
    /// The number of a term that the analyser does not remember.
    fn other(&mut self, term: &str) -> u32 {
        self.others.get(term).copied().unwrap_or_else(|| {
            let number = (MOST_REMEMBERED + self.others.len()) as u32;
            self.others.insert(term.into(), number);
            number
        })
    }
}

impl Content {
    fn add(&mut self, batch: &Batch, reader: &mut Reader) {
        let remembered = reader.analyser.remembered();
        if reader.forgotten != remembered.forgotten() {
            reader.forgotten = remembered.forgotten();
            reader.places.clear();
        }
        let mut others = vec![UNKNOWN; batch.others.len()];
        for (term, &number) in &batch.others {
            others[number as usize - MOST_REMEMBERED] = self.place(term);
        }
        let mut start = 0;
        for (&end, &length) in batch.ends.iter().zip(&batch.lengths) {
            let row = self.lengths.len() as u32;
            for &(number, frequency) in &batch.terms[start..end] {
                let number = number as usize;
                let place = if number >= MOST_REMEMBERED {
                    others[number - MOST_REMEMBERED]
                } else {
                    if number >= reader.places.len() {
                        reader.places.resize(number + 1, UNKNOWN);
                    }
                    if reader.places[number] == UNKNOWN {
                        reader.places[number] = self.place(remembered.stem(number as u32));
                    }
                    reader.places[number]
                };
                // A term may come by its number and as one that is not remembered: of a word that is too long for that, or
                // where there is no more room.
                match self.lists[place as usize].last_mut() {
                    Some(last) if last.row == row => last.frequency += frequency,
                    _ => self.lists[place as usize].push(Posting { row, frequency }),
                }
            }
            start = end;
            self.tokens.push(self.tokens.last().copied().unwrap_or(0) + length);
            self.lengths.push(code(u32::try_from(length).unwrap_or(u32::MAX)));
        }
    }

    /// Where a term's rows are.
    fn place(&mut self, term: &str) -> u32 {
        self.terms.get(term).copied().unwrap_or_else(|| {
            let place = self.lists.len() as u32;
            self.lists.push(vec![]);
            self.terms.insert(term.into(), place);
            place
        })
    }
}
