//! Measures and parsers against naive twins, ties against all their orders, paired tests against enumeration.

mod data;
mod evaluation;
mod gathering;
mod naive;
mod parsing;
mod significance;
mod ties;
