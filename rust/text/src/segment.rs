//! A segment that was written, mapped into memory.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::directory::OwnedBytes;
use tantivy::postings::BlockSegmentPostings;
use tantivy::schema::IndexRecordOption;
use tantivy::{Index, InvertedIndexReader, SegmentReader, Term};

use crate::build::{FIELD, mapped};
use crate::manifest::Manifest;
use crate::peaks::{Known, Peaks};
use crate::{Analyser, Error, Settings};

/// An immutable part. Cheap to clone, and safe to search from many threads.
///
/// Its files stay mapped while it lives, also when the directory is renamed or deleted. They must not be written to.
#[derive(Clone)]
pub struct Segment {
    manifest: Arc<Manifest>,
    analyser: Analyser,
    path: Arc<Path>,
    content: Option<Content>,
}

#[derive(Clone)]
struct Content {
    index: Arc<InvertedIndexReader>,
    field: tantivy::schema::Field,
    /// A byte a row: see `lengths`.
    lengths: OwnedBytes,
    known: Arc<Known>,
}

impl Segment {
    /// Open the segment in `directory` and check every byte of it: time O(bytes).
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read, [`Error::Damaged`] where it is not what was written,
    /// [`Error::OtherSettings`] where the segment has other settings than those `expected`.
    pub fn open(directory: &Path, expected: Option<&Settings>) -> Result<Self, Error> {
        let manifest = Manifest::read(directory)?;
        if let Some(expected) = expected
            && manifest.settings != *expected
        {
            return Err(Error::OtherSettings {
                path: directory.to_owned(),
                found: manifest.settings.to_json(),
                expected: expected.to_json(),
            });
        }
        // Nothing that passed the checksums should make tantivy panic; files that change meanwhile may.
        let content =
            guarded(directory, || if manifest.rows == 0 { Ok(None) } else { read(directory, manifest.rows) })?;
        let analyser = Analyser::new(&manifest.settings);
        Ok(Self { manifest: Arc::new(manifest), analyser, path: directory.into(), content })
    }

    /// Rows: the number of texts that were added.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.manifest.rows
    }

    /// Tokens of all rows.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.manifest.tokens
    }

    /// The settings of its analyser.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.manifest.settings
    }

    /// Where it was opened.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.path.to_path_buf()
    }

    pub(crate) fn analyser(&self) -> &Analyser {
        &self.analyser
    }

    /// A byte a row, see `lengths`.
    pub(crate) fn lengths(&self) -> &[u8] {
        self.content.as_ref().map_or(&[], |content| content.lengths.as_slice())
    }

    /// How many rows have a token, and which. None where none has.
    pub(crate) fn postings(&self, token: &str) -> Result<Option<BlockSegmentPostings>, Error> {
        let Some(Content { index, field, .. }) = &self.content else { return Ok(None) };
        let term = Term::from_field_text(*field, token);
        index
            .read_block_postings(&term, IndexRecordOption::WithFreqs)
            .map_err(|error| Error::damaged(&self.path, error))
    }

    /// What the rows of a token get at most; None where that is not known yet. `postings`: the token's.
    pub(crate) fn peaks(&self, token: &str, postings: &BlockSegmentPostings) -> Option<Arc<Peaks>> {
        let content = self.content.as_ref()?;
        let make = || Peaks::of(postings.clone(), content.lengths.as_slice());
        content.known.of(token, postings.doc_freq(), make)
    }

    /// Do what reads the files; a panic over what they hold is an error.
    pub(crate) fn guarded<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        guarded(&self.path, work)
    }
}

fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::damaged(path, "its files hold what was never written")))
}

fn read(directory: &Path, rows: u64) -> Result<Option<Content>, Error> {
    let damaged = |error: tantivy::TantivyError| Error::damaged(directory, error);
    let index = Index::open(mapped(directory)?).map_err(damaged)?;
    let field = index.schema().get_field(FIELD).map_err(damaged)?;
    let segments = index.searchable_segments().map_err(damaged)?;
    let [segment] = segments.as_slice() else {
        return Err(Error::damaged(directory, format!("it has {} segments, not 1", segments.len())));
    };
    let reader = SegmentReader::open(segment).map_err(damaged)?;
    let lengths = reader
        .fieldnorms_readers()
        .get_inner_file()
        .open_read(field)
        .ok_or_else(|| Error::damaged(directory, "it lacks the lengths of rows"))?
        .read_bytes()
        .map_err(|error| Error::damaged(directory, error))?;
    if u64::from(reader.max_doc()) != rows || lengths.len() as u64 != rows {
        return Err(Error::damaged(directory, format!("it has {} rows, not {rows}", reader.max_doc())));
    }
    Ok(Some(Content { index: reader.inverted_index(field).map_err(damaged)?, field, lengths, known: Arc::default() }))
}
