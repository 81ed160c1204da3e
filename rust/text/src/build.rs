//! Writing a segment: in chunks that fit the memory allowed, merged in their order at the end.

use std::fs;
use std::path::{Path, PathBuf};

use tantivy::directory::MmapDirectory;
use tantivy::indexer::{SingleSegmentIndexWriter, merge_indices};
use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::TokenizerManager;
use tantivy::{Index, IndexSettings, TantivyDocument};

use crate::analyse::check_length;
use crate::feed::{END_OF_TERM, Feed};
use crate::manifest::{Manifest, names};
use crate::search::MOST_ROWS;
use crate::tail::View;
use crate::{Analyser, Error, Settings};

/// Least memory that a builder works with, in bytes.
pub const LEAST_MEMORY: usize = 16 << 20;

/// What a chunk's table of terms may be sized for, in bytes. tantivy begins with a third of what it is told.
const LEAST_TABLE: usize = 1 << 20;

/// The name by which the schema knows the analyser.
const TOKENIZER: &str = "crossfade";

/// The only field.
pub(crate) const FIELD: &str = "text";

/// Writes a segment. What [`Builder::finish`] has not completed is no segment, and may be deleted.
pub struct Builder {
    directory: PathBuf,
    settings: Settings,
    feed: Feed,
    /// Memory of a chunk; what writes it to the disk wants about as much again.
    chunk_bytes: usize,
    chunk_rows: u64,
    chunk: Option<Chunk>,
    /// Chunks that are on the disk, in order.
    chunks: Vec<PathBuf>,
    rows: u64,
    tokens: u64,
}

/// Rows between two looks at whether it is interrupted.
const LOOKED: usize = 1024;

/// Write a segment of a view's rows, in their order: what [`Builder`] makes of their texts. Their words, which the tail has,
/// are not read from texts again, which takes most of the time. `memory`: as for [`Builder::new`].
///
/// # Errors
/// As of [`Builder`]; what was written then is no segment.
pub fn build_of(directory: &Path, view: &View, memory: usize, interrupted: &dyn Fn() -> bool) -> Result<u64, Error> {
    let mut builder = Builder::with_feed(directory, view.settings(), Feed::of_terms(), memory)?;
    let rows = view.by_row();
    let mut text = String::new();
    for row in 0..rows.len() {
        if row % LOOKED == 0 && interrupted() {
            return Err(Error::Interrupted);
        }
        text.clear();
        for (term, frequency) in rows.terms(row) {
            for _ in 0..frequency {
                text.push_str(term);
                text.push(END_OF_TERM);
            }
        }
        builder.add_row(&text)?;
    }
    builder.finish(interrupted)?;
    Ok(rows.len() as u64)
}

struct Chunk {
    writer: SingleSegmentIndexWriter,
    /// Memory that it had without rows.
    empty: usize,
    rows: u64,
    field: Field,
    path: PathBuf,
}

impl Builder {
    /// Begin a segment in `directory`, which must be empty or not exist yet. `memory`: bytes for rows that are not on
    /// the disk yet, at least [`LEAST_MEMORY`].
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::Parameter`], [`Error::Io`].
    pub fn new(directory: &Path, settings: &Settings, memory: usize) -> Result<Self, Error> {
        Self::with_feed(directory, settings, Feed::of_texts(Analyser::new(settings)), memory)
    }

    fn with_feed(directory: &Path, settings: &Settings, feed: Feed, memory: usize) -> Result<Self, Error> {
        if memory < LEAST_MEMORY {
            let what = format!("a memory budget of {memory} bytes");
            return Err(Error::Parameter { what, expected: "at least 16,777,216 bytes" });
        }
        fs::create_dir_all(directory).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Error::Exists(directory.to_owned()),
            _ => Error::io(directory, &error),
        })?;
        if !names(directory)?.is_empty() {
            return Err(Error::Exists(directory.to_owned()));
        }
        Ok(Self {
            directory: directory.to_owned(),
            settings: settings.clone(),
            feed,
            chunk_bytes: memory / 2,
            chunk_rows: MOST_ROWS,
            chunk: None,
            chunks: vec![],
            rows: 0,
            tokens: 0,
        })
    }

    /// Every row a chunk of its own.
    #[cfg(test)]
    pub(crate) fn in_small_chunks(mut self) -> Self {
        self.chunk_rows = 1;
        self
    }

    /// Rows so far: the number of the next.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Add a row.
    ///
    /// # Errors
    /// [`Error::TooManyRows`], [`Error::TextTooLong`], [`Error::Io`]; the builder cannot be used further.
    pub fn add(&mut self, text: &str) -> Result<(), Error> {
        check_length(text)?;
        self.add_row(text)
    }

    /// `text`: as the feed takes rows.
    fn add_row(&mut self, text: &str) -> Result<(), Error> {
        if self.rows == MOST_ROWS {
            return Err(Error::TooManyRows);
        }
        let mut chunk = match self.chunk.take() {
            Some(chunk) => chunk,
            None => self.begin()?,
        };
        let mut document = TantivyDocument::default();
        document.add_text(chunk.field, text);
        chunk.writer.add_document(document).map_err(|error| failed(&chunk.path, &error))?;
        self.rows += 1;
        chunk.rows += 1;
        let bytes = chunk.writer.mem_usage().saturating_sub(chunk.empty);
        if bytes > self.chunk_bytes || chunk.rows >= self.chunk_rows {
            self.end(chunk)?;
        } else {
            self.chunk = Some(chunk);
        }
        Ok(())
    }

    /// Merge, vouch for the files, and bring them to the disk. The directory may then be renamed.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Interrupted`] where `interrupted` says so before the longest step.
    pub fn finish(mut self, interrupted: &dyn Fn() -> bool) -> Result<(), Error> {
        if let Some(chunk) = self.chunk.take() {
            self.end(chunk)?;
        }
        if interrupted() {
            return Err(Error::Interrupted);
        }
        match self.chunks.as_slice() {
            [] => {}
            [only] => self.adopt(only)?,
            many => self.merge(many)?,
        }
        for chunk in &self.chunks {
            fs::remove_dir_all(chunk).map_err(|error| Error::io(chunk, &error))?;
        }
        let Self { directory, settings, rows, tokens, .. } = self;
        Manifest { settings, rows, tokens }.write(&directory)
    }

    fn begin(&self) -> Result<Chunk, Error> {
        let path = self.directory.join(format!("chunk-{}", self.chunks.len()));
        fs::create_dir(&path).map_err(|error| Error::io(&path, &error))?;
        let (schema, field) = schema();
        let tokenizers = TokenizerManager::new();
        tokenizers.register(TOKENIZER, self.feed.clone());
        let directory = mapped(&path)?;
        let writer = Index::builder()
            .schema(schema)
            .settings(IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() })
            .tokenizers(tokenizers)
            .single_segment_index_writer(directory, (self.chunk_bytes / 8).max(LEAST_TABLE))
            .map_err(|error| failed(&path, &error))?;
        Ok(Chunk { empty: writer.mem_usage(), rows: 0, writer, field, path })
    }

    fn end(&mut self, chunk: Chunk) -> Result<(), Error> {
        let Chunk { writer, field, path, .. } = chunk;
        let refuse = |error: &tantivy::TantivyError| failed(&path, error);
        let index = writer.finalize().map_err(|error| refuse(&error))?;
        for segment in index.searchable_segments().map_err(|error| refuse(&error))? {
            let reader = tantivy::SegmentReader::open(&segment).map_err(|error| refuse(&error))?;
            // Exact here; after a merge it would be a sum of lengths that are not.
            self.tokens += reader.inverted_index(field).map_err(|error| refuse(&error))?.total_num_tokens();
        }
        self.chunks.push(path);
        Ok(())
    }

    /// A chunk alone is the segment.
    fn adopt(&self, chunk: &Path) -> Result<(), Error> {
        for name in names(chunk)? {
            fs::rename(chunk.join(&name), self.directory.join(&name)).map_err(|error| Error::io(chunk, &error))?;
        }
        Ok(())
    }

    fn merge(&self, chunks: &[PathBuf]) -> Result<(), Error> {
        let open = |path: &PathBuf| Index::open(mapped(path)?).map_err(|error| failed(path, &error));
        let indices = chunks.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        merge_indices(&indices, mapped(&self.directory)?).map_err(|error| failed(&self.directory, &error))?;
        Ok(())
    }
}

pub(crate) fn mapped(path: &Path) -> Result<MmapDirectory, Error> {
    MmapDirectory::open(path).map_err(|error| Error::Io { path: path.to_owned(), reason: error.to_string() })
}

fn schema() -> (Schema, Field) {
    let mut builder = Schema::builder();
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_index_option(IndexRecordOption::WithFreqs)
        .set_fieldnorms(true);
    let field = builder.add_text_field(FIELD, TextOptions::default().set_indexing_options(indexing));
    (builder.build(), field)
}

fn failed(path: &Path, error: &tantivy::TantivyError) -> Error {
    Error::Io { path: path.to_owned(), reason: error.to_string() }
}
