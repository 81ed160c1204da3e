//! Measures against a naive twin, tests against enumeration and simulation, fusion and correlation by their definitions.

mod correlation;
mod evaluation;
mod fusion;
mod intervals;
mod naive;
mod power;
mod randomisation;
mod samples;
mod significance;
