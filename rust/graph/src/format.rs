//! The header of a graph's file.
//!
//! All numbers are little-endian. A header of 256 bytes; then the sections, each beginning at a multiple of 64 bytes, with
//! zeros before the next one.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `MAGIC` |
//! | 8 | 4 | `VERSION` |
//! | 12 | 4 | bytes of the header |
//! | 16 | 8 | rows |
//! | 24 | 4 | dimension |
//! | 28 | 4 | metric: 0 inner product, 1 cosine, 2 L2 |
//! | 32 | 4 | m |
//! | 36 | 4 | `ef_construction` |
//! | 40 | 8 | seed |
//! | 48 | 4 | form: 1 codes, 2 vectors |
//! | 52 | 4 | the row where walks begin; 2^32 - 1 without rows |
//! | 56 | 4 | nodes above the lowest layer |
//! | 60 | 4 | rows that no walk reaches |
//! | 64 | 7 x 24 | of each section: where it begins, its bytes, its XXH3 (64 bits) |
//! | 232 | 16 | zeros |
//! | 248 | 8 | XXH3 of the 248 bytes before |
//!
//! | section | numbers | what |
//! |---|---|---|
//! | links | rows x 2 m, u32 | of each row: rows, then 2^32 - 1 |
//! | upper links | u32 | of each node above, for each layer from 1 to its own: m nodes, then 2^32 - 1 |
//! | upper rows | u32 | the row of each node above, ascending |
//! | upper starts | u32 | layers of all nodes before, one more than there are nodes |
//! | records | bytes | `crossfade_kernels::Records`; empty where vectors are compared as they lie |
//! | twins | rows, u32 | the next row that is equal, or 2^32 - 1; empty where all rows differ |
//! | cells | rows, u32, then bytes | of each row, its cell; then the records of the centres of cells; empty for few rows |
//!
//! Version 1 had no cells, and zeros where the directory has them.

use crossfade_kernels::Metric;
use twox_hash::XxHash3_64;

use crate::error::Error;
use crate::settings::{Form, Settings};

/// The first bytes of a graph's file.
pub const MAGIC: [u8; 8] = *b"cf-hnsw\n";

/// The version of the format that this code writes; it reads those before too.
pub const VERSION: u32 = 2;

/// Bytes of the header.
pub(crate) const HEADER: usize = 256;

/// Sections of a file.
pub(crate) const SECTIONS: usize = 7;

/// What the names of sections are, for messages.
pub(crate) const NAMES: [&str; SECTIONS] =
    ["links", "upper links", "upper rows", "upper starts", "records", "twins", "cells"];

/// What sections begin at a multiple of.
pub(crate) const ALIGNED: usize = 64;

const DIRECTORY: usize = 64;
const ENTRY: usize = 24;
const CHECKSUM: usize = HEADER - 8;

/// What is known of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Rows of the corpus.
    pub rows: usize,
    /// Elements of a row.
    pub dimension: usize,
    /// How vectors are compared.
    pub metric: Metric,
    /// How it was built; `form` is `Codes` or `Vectors`.
    pub settings: Settings,
    /// Where walks begin: a row, or `u32::MAX` without rows.
    pub entry: u32,
    /// Nodes above the lowest layer.
    pub upper: usize,
    /// Rows that no walk reaches.
    pub unreachable: usize,
}

/// XXH3 of bytes that come in pieces.
pub(crate) fn checksum<T: AsRef<[u8]>>(pieces: impl IntoIterator<Item = T>) -> u64 {
    use std::hash::Hasher;
    let mut hasher = XxHash3_64::with_seed(0);
    for piece in pieces {
        hasher.write(piece.as_ref());
    }
    hasher.finish()
}

/// The header, as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) facts: Facts,
    /// By section: where it begins, its bytes, its checksum.
    pub(crate) sections: [(usize, usize, u64); SECTIONS],
}

impl Header {
    pub(crate) fn new(facts: Facts) -> Self {
        Self { facts, sections: [(0, 0, 0); SECTIONS] }
    }

    pub(crate) fn set(&mut self, section: usize, at: usize, length: usize, checksum: u64) {
        self.sections[section] = (at, length, checksum);
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let facts = self.facts;
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((HEADER as u32).to_le_bytes());
        bytes.extend((facts.rows as u64).to_le_bytes());
        let metric = match facts.metric {
            Metric::InnerProduct => 0,
            Metric::Cosine => 1,
            Metric::L2 => 2,
        };
        for number in [facts.dimension as u32, metric, facts.settings.m as u32, facts.settings.ef_construction as u32] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(facts.settings.seed.to_le_bytes());
        let form = if facts.settings.form == Form::Vectors { 2 } else { 1 };
        for number in [form, facts.entry, facts.upper as u32, facts.unreachable as u32] {
            bytes.extend(number.to_le_bytes());
        }
        for (at, length, checksum) in self.sections {
            bytes.extend((at as u64).to_le_bytes());
            bytes.extend((length as u64).to_le_bytes());
            bytes.extend(checksum.to_le_bytes());
        }
        bytes.resize(CHECKSUM, 0);
        let own = checksum([&bytes]);
        bytes.extend(own.to_le_bytes());
        bytes
    }

    /// Read the header at the beginning of `file`. What it says of the sections is not checked here.
    pub(crate) fn read(file: &[u8]) -> Result<Self, Error> {
        let fault = |reason: String| Err(Error::File(reason));
        if file.get(..MAGIC.len()) != Some(&MAGIC) {
            return fault("it is no crossfade graph: it does not begin as one does".to_owned());
        }
        let Some(header) = file.first_chunk::<HEADER>() else {
            return fault(format!("it ends within its header, after {} of {HEADER} bytes: build it again", file.len()));
        };
        let version = word(header, 8);
        if !(1..=VERSION).contains(&version) {
            return fault(format!(
                "its format has version {version}, and this release reads up to {VERSION}: build it again"
            ));
        }
        if long(header, CHECKSUM) != checksum([&header[..CHECKSUM]]) {
            return fault("its header is damaged (its checksum does not fit): build it again".to_owned());
        }
        let metric = match word(header, 28) {
            0 => Metric::InnerProduct,
            1 => Metric::Cosine,
            2 => Metric::L2,
            other => return fault(format!("its header has a metric {other} that is not known: build it again")),
        };
        let form = match word(header, 48) {
            1 => Form::Codes,
            2 => Form::Vectors,
            other => return fault(format!("its header has a form {other} that is not known: build it again")),
        };
        let size = |number: u64| usize::try_from(number).map_err(|_| Error::File(format!("it has a size of {number}")));
        let settings = Settings {
            m: word(header, 32) as usize,
            ef_construction: word(header, 36) as usize,
            seed: long(header, 40),
            form,
        };
        let facts = Facts {
            rows: size(long(header, 16))?,
            dimension: word(header, 24) as usize,
            metric,
            settings,
            entry: word(header, 52),
            upper: word(header, 56) as usize,
            unreachable: word(header, 60) as usize,
        };
        let mut read = Self::new(facts);
        for section in 0..SECTIONS {
            let at = DIRECTORY + section * ENTRY;
            read.set(section, size(long(header, at))?, size(long(header, at + 8))?, long(header, at + 16));
        }
        if version == 1 {
            let (at, length, _) = read.sections[SECTIONS - 2];
            let end = at.checked_add(length).and_then(|end| end.checked_next_multiple_of(ALIGNED));
            read.set(SECTIONS - 1, end.unwrap_or(usize::MAX), 0, checksum([[]]));
        }
        Ok(read)
    }
}

fn word(header: &[u8; HEADER], at: usize) -> u32 {
    u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

fn long(header: &[u8; HEADER], at: usize) -> u64 {
    u64::from(word(header, at)) | u64::from(word(header, at + 4)) << 32
}
