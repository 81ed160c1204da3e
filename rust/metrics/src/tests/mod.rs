//! Measures and parsers against naive twins, ties against all their orders, tests against enumeration and simulation,
//! fusion and correlation by their definitions.

mod alignment;
mod correlation;
mod data;
mod evaluation;
mod fusion;
mod gathering;
mod intervals;
mod naive;
mod parsing;
mod power;
mod randomisation;
mod samples;
mod significance;
mod ties;
