//! Files of judgments and runs, read in parallel.
//!
//! Lines end at LF or CRLF; blank ones are left out; a UTF-8 byte order mark is dropped. When several lines are at fault,
//! the first that cannot be read is reported; only when all can, the first whose document comes twice for its query.

mod beir;
mod blocks;
mod lines;
mod source;
mod trec;

use crate::{Error, Judgments, Run};

pub use source::Source;

/// A TREC run: query, Q0, document, rank, score, tag, separated by ASCII white space. The rank is ignored.
///
/// `threads`: how many may work, 0 is one for every core; the result does not depend on it.
///
/// # Errors
/// [`Error::Line`] for a line that is not UTF-8, has not six columns, or whose score is not a finite number, and for a
/// document that comes twice for a query; [`Error::Data`] when there is no line, and when reading fails.
pub fn trec_run(source: &dyn Source, threads: usize) -> Result<Run, Error> {
    let pieces = lines::read(source, threads, &trec::RUN)?;
    Run::from_pieces(&pieces, threads).map_err(|fault| lines::place(source, fault, &trec::RUN))
}

/// TREC judgments: query, iteration, document, grade, separated by ASCII white space. The iteration is ignored.
///
/// `threads`: how many may work, 0 is one for every core; the result does not depend on it.
///
/// # Errors
/// [`Error::Line`] for a line that is not UTF-8, has not four columns, or whose grade is not a 32-bit integer, and for a
/// document that is judged twice for a query; [`Error::Data`] when there is no line, and when reading fails.
pub fn trec_judgments(source: &dyn Source, threads: usize) -> Result<Judgments, Error> {
    let pieces = lines::read(source, threads, &trec::JUDGMENTS)?;
    Judgments::from_pieces(&pieces, threads).map_err(|fault| lines::place(source, fault, &trec::JUDGMENTS))
}

/// BEIR judgments: query, document, grade, separated by tabs; the first line may be the header.
///
/// `threads`: how many may work on what was read, 0 is one for every core; the result does not depend on it.
///
/// # Errors
/// [`Error::Line`] for a line that is not UTF-8, has not three columns, whose ids are empty or whose grade is not a
/// 32-bit integer, and for a document that is judged twice for a query; [`Error::Data`] when there is no judgment, and when reading fails.
pub fn beir_judgments(source: &dyn Source, threads: usize) -> Result<Judgments, Error> {
    let pieces = lines::read(source, threads, &beir::JUDGMENTS)?;
    Judgments::from_pieces(&pieces, threads).map_err(|fault| lines::place(source, fault, &beir::JUDGMENTS))
}

/// A grade as files of judgments spell it.
fn grade(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| format!("grade {text:?} is not an integer (of 32 bits)"))
}
