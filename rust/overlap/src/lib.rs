//! Which texts are copies or near-copies of texts that are known: exact set-similarity search.
//!
//! An [`Index`] holds the known texts, which are few (the queries and the relevant documents of an evaluation), and any
//! number of others is held against it, batch by batch ([`Index::find`]): memory does not grow with those. Nothing is
//! sampled: filters that are exact (a prefix filter: Chaudhuri, Ganti and Kaushik 2006; Bayardo, Ma and Srikant 2007;
//! and one by parts: Arasu, Ganti and Kaushik 2006) give every pair that can reach a threshold, and the shingles of each
//! such pair are then counted. So no pair is missed, as `MinHash` would miss some, and none is found that is below its
//! threshold.
//!
//! | module | idea |
//! |---|---|
//! | `settings` | thresholds |
//! | `normalise` | one spelling for what reads the same |
//! | `shingles` | a text as sets: pieces of words, sequences of words, numbers |
//! | `sets` | sorted sets: overlap, and how much of it a threshold asks for |
//! | `table` | which known texts have a sequence of words, the rarest first |
//! | `parts` | which known texts can have nearly the same pieces |
//! | `index`, `verify` | the known texts; candidates and what becomes of them |
//! | `share_out` | threads |

#![forbid(unsafe_code)]

mod error;
mod index;
mod normalise;
mod parts;
mod sets;
mod settings;
mod share_out;
mod shingles;
mod table;
#[cfg(test)]
mod tests;
mod verify;

pub use error::Error;
pub use index::{Index, Options};
pub use normalise::normalise;
pub use settings::Settings;
pub use verify::{Kind, Match};
