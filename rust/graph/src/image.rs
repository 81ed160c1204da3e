//! The file of a graph, in parts that are written one after the other.

use crossfade_kernels::Metric;

use crate::cells::Cells;
use crate::format::{ALIGNED, Facts, HEADER, Header, SECTIONS, checksum};
use crate::settings::Settings;

/// Bytes, or numbers in little-endian order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Bytes.
    Bytes(Vec<u8>),
    /// Numbers.
    Words(Vec<u32>),
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Words(words) => size_of_val(words.as_slice()),
        }
    }

    fn checksum(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => checksum([bytes.as_slice()]),
            Self::Words(words) => {
                // Some at a time, in the order of the file.
                let pieces = words.chunks(1 << 12);
                checksum(pieces.map(|words| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>()))
            }
        }
    }
}

/// What a file holds; see `format`.
pub(crate) struct Image {
    pub(crate) rows: usize,
    pub(crate) dimension: usize,
    pub(crate) metric: Metric,
    pub(crate) settings: Settings,
    pub(crate) entry: u32,
    pub(crate) unreachable: usize,
    pub(crate) links: Vec<u32>,
    pub(crate) upper_links: Vec<u32>,
    pub(crate) upper_rows: Vec<u32>,
    pub(crate) upper_starts: Vec<u32>,
    pub(crate) records: Vec<u8>,
    pub(crate) twins: Vec<u32>,
    pub(crate) cells: Cells,
}

impl Image {
    /// The header, and every section filled up to where the next one begins.
    pub(crate) fn into_parts(self) -> Vec<Part> {
        let facts = Facts {
            rows: self.rows,
            dimension: self.dimension,
            metric: self.metric,
            settings: self.settings,
            entry: self.entry,
            upper: self.upper_rows.len(),
            unreachable: self.unreachable,
        };
        let sections: [Part; SECTIONS] = [
            Part::Words(self.links),
            Part::Words(self.upper_links),
            Part::Words(self.upper_rows),
            Part::Words(self.upper_starts),
            Part::Bytes(self.records),
            Part::Words(self.twins),
            Part::Bytes(self.cells.into_bytes()),
        ];
        let mut header = Header::new(facts);
        let (mut parts, mut at) = (vec![Part::Bytes(Vec::new())], HEADER);
        for (number, section) in sections.into_iter().enumerate() {
            header.set(number, at, section.len(), section.checksum());
            let gap = section.len().next_multiple_of(ALIGNED) - section.len();
            at += section.len() + gap;
            parts.extend([section, Part::Bytes(vec![0; gap])]);
        }
        parts[0] = Part::Bytes(header.to_bytes());
        parts.retain(|part| part.len() > 0);
        parts
    }
}
