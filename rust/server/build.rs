//! Makes the messages of `proto/` into Rust, and keeps their descriptors for reflection and for error messages.

use std::path::{Path, PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let mut files: Vec<PathBuf> = Vec::new();
    for directory in ["crossfade/v1", "grpc/channelz/v1"] {
        println!("cargo::rerun-if-changed={}", root.join(directory).display());
        for entry in std::fs::read_dir(root.join(directory))? {
            files.push(entry?.path());
        }
    }
    files.sort();
    let descriptors = protox::compile(&files, [&root])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    prost_build::Config::new().bytes([".crossfade.v1.Vectors"]).compile_fds(descriptors)?;
    Ok(())
}
