//! A graph where its file lies, after what could lead astray has been checked.

use std::sync::{Mutex, OnceLock, PoisonError};

use crossfade_kernels::{Corpus, Options, Records, Signs, Sketches, Space, record_bytes, words};

use crate::cells::Ranks;
use crate::error::Error;
use crate::format::{ALIGNED, Facts, HEADER, Header, NAMES, SECTIONS, checksum};
use crate::kept::Kept;
use crate::layer::{Lowest, NONE, Upper};
use crate::level::MOST_LEVELS;
use crate::scratch::Spare;
use crate::settings::{EF_CONSTRUCTION, Form, M, MOST_ROWS};
use crate::twins::Twins;

/// What is checked of a file when it is opened. Whatever is left out, a damaged file can give wrong results and nothing
/// worse: links that lead nowhere are not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// Every byte: checksums, links, chains of equal rows.
    #[default]
    All,
    /// The header, and the sizes of the sections.
    Header,
}

/// A graph, and memory for walks through it: of each thread a bit a row for each of four queries; and, made of its codes for
/// the first walk, a sketch of each row ([`Sketches`]), a line of 64 bytes for 128 to 416 elements or so.
pub struct Graph {
    header: Header,
    pub(crate) spare: Spare,
    /// Made when it is first needed; by one, while others wait for it.
    made: OnceLock<Option<Made>>,
    making: Mutex<()>,
    pub(crate) kept: Kept,
}

/// What is made of a graph's codes.
struct Made {
    sketches: Sketches,
    /// Where there are cells: how many are looked at, and the signs of their centres.
    cells: Option<(Ranks, Signs)>,
}

/// The sections of a graph.
#[derive(Clone, Copy)]
pub(crate) struct Sections<'f> {
    pub(crate) links: &'f [u32],
    pub(crate) upper_links: &'f [u32],
    pub(crate) upper_rows: &'f [u32],
    pub(crate) upper_starts: &'f [u32],
    pub(crate) records: &'f [u8],
    pub(crate) twins: Twins<'f>,
    /// Of each row, its cell; none for few rows.
    pub(crate) cells: &'f [u32],
    centres: &'f [u8],
    facts: Facts,
}

impl Graph {
    /// Check `file`, which must begin at an address that is a multiple of 4. It is handed over again for each search.
    ///
    /// # Errors
    /// [`Error::File`] says what is wrong.
    pub fn open(file: &[u8], verify: Verify) -> Result<Self, Error> {
        let header = Header::read(file)?;
        sizes(&header, file.len())?;
        let graph = Self {
            header,
            spare: Spare::default(),
            made: OnceLock::new(),
            making: Mutex::new(()),
            kept: Kept::default(),
        };
        let sections = graph.sections(file)?;
        shape(&sections)?;
        if verify == Verify::All {
            contents(&header, file)?;
            links(&sections)?;
            // All of it has been read, and nobody waits for a search.
            graph.sketches(file, Options::default())?;
        }
        Ok(graph)
    }

    /// What its header says.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.header.facts
    }

    /// The highest layer; 0 is the lowest.
    ///
    /// # Errors
    /// [`Error::File`] when `file` is not the one that was opened.
    pub fn highest_level(&self, file: &[u8]) -> Result<usize, Error> {
        Ok(self.sections(file)?.entry().map_or(0, |(_, level)| level))
    }

    /// Whether the graph can be that of `corpus`: its shape, and where the graph holds codes, those of 64 rows.
    ///
    /// # Errors
    /// [`Error::Vectors`] says what does not fit; [`Error::File`].
    pub fn fits(&self, file: &[u8], corpus: Corpus<'_>) -> Result<(), Error> {
        let facts = self.facts();
        self.check_shape(corpus)?;
        let sections = self.sections(file)?;
        if facts.settings.form == Form::Codes {
            let records = sections.records()?;
            let step = facts.rows.div_ceil(COMPARED).max(1);
            if let Some(row) = (0..facts.rows).step_by(step).find(|&row| !records.fits(corpus, row, facts.metric)) {
                return Err(Error::Vectors(format!(
                    "the graph was built for other vectors: row {row} is not what it was: build it again"
                )));
            }
        }
        Ok(())
    }

    /// Make what the first search would make and wait for: the sketches of a graph that was not verified whole.
    ///
    /// # Errors
    /// [`Error::File`] when `file` is not the one that was opened; [`Error::Kernels`] when it was told to stop.
    pub fn prepare(&self, file: &[u8], options: Options<'_>) -> Result<(), Error> {
        self.made(file, options).map(drop)
    }

    /// Whether that was made, or there is nothing to make.
    #[must_use]
    pub fn is_prepared(&self) -> bool {
        self.made.get().is_some() || self.facts().settings.form != Form::Codes
    }

    /// The sketches of the rows' codes; None where there are none. Two tenths of a second for a hundred thousand rows, the first
    /// time.
    pub(crate) fn sketches(&self, file: &[u8], options: Options<'_>) -> Result<Option<&Sketches>, Error> {
        Ok(self.made(file, options)?.map(|made| &made.sketches))
    }

    /// How many cells are looked at for a recall, and the signs of their centres; None where there are none. As `sketches`.
    pub(crate) fn cells(&self, file: &[u8], options: Options<'_>) -> Result<Option<&(Ranks, Signs)>, Error> {
        Ok(self.made(file, options)?.and_then(|made| made.cells.as_ref()))
    }

    fn made(&self, file: &[u8], options: Options<'_>) -> Result<Option<&Made>, Error> {
        if let Some(made) = self.made.get() {
            return Ok(made.as_ref());
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if self.made.get().is_none() {
            // Nobody else has set it: see `making`.
            let _ = self.made.set(self.make(file, options)?);
        }
        Ok(self.made.get().and_then(Option::as_ref))
    }

    fn make(&self, file: &[u8], options: Options<'_>) -> Result<Option<Made>, Error> {
        let (facts, sections) = (self.facts(), self.sections(file)?);
        if facts.settings.form != Form::Codes {
            return Ok(None);
        }
        let (records, lowest) = (sections.records()?, sections.lowest());
        let Some(sketches) = Sketches::new(records, facts.metric, |row| lowest.of(row), options)? else {
            return Ok(None);
        };
        let space = Space::codes(records, facts.metric);
        let cells = sections.centres()?.map(|centres| {
            let of = (Space::codes(centres, facts.metric), sections.cells);
            let ranks = Ranks::new(&space, (&of.0, of.1), facts.dimension, |row| lowest.of(row));
            let vectors = (0..centres.len()).map(|cell| centres.vector(cell));
            (ranks, sketches.signs_of(vectors))
        });
        Ok(Some(Made { sketches, cells }))
    }

    pub(crate) fn check_shape(&self, corpus: Corpus<'_>) -> Result<(), Error> {
        let facts = self.facts();
        if (facts.rows, facts.dimension) == (corpus.len(), corpus.dimension()) {
            return Ok(());
        }
        Err(Error::Vectors(format!(
            "the graph is that of {} vectors of dimension {}, and these are {} of dimension {}",
            facts.rows,
            facts.dimension,
            corpus.len(),
            corpus.dimension()
        )))
    }

    pub(crate) fn sections<'f>(&self, file: &'f [u8]) -> Result<Sections<'f>, Error> {
        let bytes = |section: usize| {
            let (at, length, _) = self.header.sections[section];
            file.get(at..at + length).ok_or_else(|| Error::File("it is shorter than when it was opened".to_owned()))
        };
        let numbers = |section: usize| {
            let lies = || Error::File(format!("its {} do not lie at a multiple of 4 in memory", NAMES[section]));
            words(bytes(section)?).ok_or_else(lies)
        };
        let cells = bytes(6)?;
        // Empty, or the cells of all rows and then the centres; see `sizes`.
        let (of_rows, centres) = cells.split_at(cells.len().min(self.facts().rows * size_of::<u32>()));
        let lies = || Error::File(format!("its {} do not lie at a multiple of 4 in memory", NAMES[6]));
        Ok(Sections {
            cells: words(of_rows).ok_or_else(lies)?,
            centres,
            links: numbers(0)?,
            upper_links: numbers(1)?,
            upper_rows: numbers(2)?,
            upper_starts: numbers(3)?,
            records: bytes(4)?,
            twins: Twins(numbers(5)?),
            facts: self.facts(),
        })
    }
}

impl<'f> Sections<'f> {
    pub(crate) fn space<'s>(&self, corpus: Corpus<'s>) -> Result<Space<'s>, Error>
    where
        'f: 's,
    {
        let metric = self.facts.metric;
        match self.facts.settings.form {
            Form::Vectors => Ok(Space::vectors(corpus, metric)),
            _ => Ok(Space::codes(self.records()?, metric)),
        }
    }

    /// The centres of cells; None where there are none.
    pub(crate) fn centres(&self) -> Result<Option<Records<'f>>, Error> {
        let Facts { dimension, .. } = self.facts;
        let count = self.centres.len() / record_bytes(dimension);
        if count == 0 {
            return Ok(None);
        }
        Ok(Some(Records::new(self.centres, dimension, count)?))
    }

    fn records(&self) -> Result<Records<'f>, Error> {
        Ok(Records::new(self.records, self.facts.dimension, self.facts.rows)?)
    }

    pub(crate) fn lowest(&self) -> Lowest<'f> {
        Lowest { links: self.links, degree: 2 * self.facts.settings.m }
    }

    pub(crate) fn upper(&self, level: usize) -> Upper<'f> {
        Upper {
            links: self.upper_links,
            starts: self.upper_starts,
            rows: self.upper_rows,
            degree: self.facts.settings.m,
            level,
        }
    }

    /// The node above the lowest layer where walks begin, and its layer; None where the lowest is the only one.
    pub(crate) fn entry(&self) -> Option<(u32, usize)> {
        let node = self.upper_rows.binary_search(&self.facts.entry).ok()?;
        let level = self.upper_starts[node + 1].saturating_sub(self.upper_starts[node]);
        Some((node as u32, level.min(u32::from(MOST_LEVELS)) as usize))
    }
}

/// Rows that are held against their codes.
const COMPARED: usize = 64;

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::File(format!("it is damaged: {what}: build it again"))
}

/// What the header says fits together, and the file is as long as it says.
fn sizes(header: &Header, length: usize) -> Result<(), Error> {
    let facts = header.facts;
    let Facts { rows, dimension, settings, upper, .. } = facts;
    if !M.contains(&settings.m) || !EF_CONSTRUCTION.contains(&settings.ef_construction) || dimension == 0 {
        return Err(damaged("its header has settings that cannot be"));
    }
    if rows > MOST_ROWS || upper > rows || facts.unreachable > rows {
        return Err(damaged("its header has more rows than there can be"));
    }
    if !(facts.entry == NONE && rows == 0) && facts.entry as usize >= rows {
        return Err(damaged("walks begin at no row"));
    }
    let word = size_of::<u32>();
    let records = if settings.form == Form::Codes { rows.checked_mul(record_bytes(dimension)) } else { Some(0) };
    let wanted = [rows.checked_mul(2 * settings.m * word), None, Some(upper * word), Some((upper + 1) * word), records];
    let mut at = HEADER;
    for (number, &(start, bytes, _)) in header.sections.iter().enumerate() {
        let expected = match number {
            // As many as the starts say, which are in the file.
            1 => Some(bytes).filter(|bytes| bytes.is_multiple_of(settings.m * word)),
            5 => Some(bytes).filter(|&bytes| bytes == 0 || bytes == rows * word),
            6 => Some(bytes).filter(|&bytes| bytes == 0 || holds_cells(bytes, facts)),
            _ => wanted[number],
        };
        let end = start.checked_add(bytes).and_then(|end| end.checked_next_multiple_of(ALIGNED));
        match end {
            Some(end) if start == at && expected == Some(bytes) => at = end,
            _ => return Err(damaged(format!("its {} are not where, or not as many as, they must be", NAMES[number]))),
        }
    }
    if at == length {
        return Ok(());
    }
    let whole = if length < at { "it is cut off" } else { "something was appended" };
    Err(Error::File(format!("it has {length} bytes and not {at}: {whole}: build it again")))
}

/// Whether a section of so many bytes can hold the cells of all rows, and their centres.
fn holds_cells(bytes: usize, facts: Facts) -> bool {
    let centres = bytes.checked_sub(facts.rows * size_of::<u32>());
    facts.settings.form == Form::Codes
        && centres.is_some_and(|centres| centres > 0 && centres.is_multiple_of(record_bytes(facts.dimension)))
}

/// What walks rely on to begin: the upper layers.
fn shape(sections: &Sections<'_>) -> Result<(), Error> {
    let (starts, rows) = (sections.upper_starts, sections.upper_rows);
    let rising = starts
        .windows(2)
        .all(|pair| pair[1].checked_sub(pair[0]).is_some_and(|levels| (1..=u32::from(MOST_LEVELS)).contains(&levels)));
    let all = sections.upper_links.len() / sections.facts.settings.m;
    if starts.first() != Some(&0) || !rising || starts.last().map(|&last| last as usize) != Some(all) {
        return Err(damaged("its upper starts do not rise to the number of upper links"));
    }
    let last = rows.last().is_none_or(|&row| (row as usize) < sections.facts.rows);
    if !last || rows.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(damaged("its upper rows do not rise"));
    }
    let highest = starts.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0) as usize;
    if sections.entry().map_or(0, |(_, level)| level) != highest {
        return Err(damaged("walks do not begin in the highest layer"));
    }
    Ok(())
}

/// Every section is what was written, and there is nothing between them.
fn contents(header: &Header, file: &[u8]) -> Result<(), Error> {
    for (number, &(start, bytes, expected)) in header.sections.iter().enumerate() {
        let end = start + bytes;
        if checksum([&file[start..end]]) != expected {
            return Err(damaged(format!("the checksum of its {} does not fit", NAMES[number])));
        }
        if file[end..end.next_multiple_of(ALIGNED)].iter().any(|&byte| byte != 0) {
            return Err(damaged(format!("there is something after its {}", NAMES[number])));
        }
    }
    const { assert!(NAMES.len() == SECTIONS) };
    Ok(())
}

/// Links lead to nodes of their layer, chains of equal rows rise, and rows are in cells that there are.
fn links(sections: &Sections<'_>) -> Result<(), Error> {
    let Facts { rows, settings, .. } = sections.facts;
    if sections.links.iter().any(|&to| to != NONE && to as usize >= rows) {
        return Err(damaged("a link leads to no row"));
    }
    let starts = sections.upper_starts;
    for pair in starts.windows(2) {
        for list in pair[0]..pair[1] {
            let level = list - pair[0] + 1;
            let to = &sections.upper_links[list as usize * settings.m..][..settings.m];
            let stands =
                |to: u32| (to as usize) < starts.len() - 1 && starts[to as usize + 1] - starts[to as usize] >= level;
            if to.iter().any(|&to| to != NONE && !stands(to)) {
                return Err(damaged("an upper link leads to no node of its layer"));
            }
        }
    }
    let cells = sections.centres.len() / record_bytes(sections.facts.dimension);
    if sections.cells.iter().any(|&cell| cell as usize >= cells) {
        return Err(damaged("a row is in no cell"));
    }
    let rises = |(row, &next): (usize, &u32)| next == NONE || (next as usize > row && (next as usize) < rows);
    if sections.twins.0.iter().enumerate().all(rises) { Ok(()) } else { Err(damaged("its twins do not rise")) }
}
