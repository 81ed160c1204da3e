"""The Rust crates' own benches, which criterion times."""
