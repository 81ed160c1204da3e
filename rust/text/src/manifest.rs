//! What a segment's directory holds, and proof that it is still what was written.
//!
//! The manifest is written last. Every file is known by its length and CRC-32, the manifest by a CRC-32 of its own, so
//! that a byte that flips anywhere, or a file that is cut, is found before tantivy reads it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::{Error, Settings};

/// The manifest's name.
pub(crate) const MANIFEST: &str = "crossfade-text.json";

/// Version of the format.
const FORMAT: u64 = 1;

/// Locks of tantivy that nobody holds any more.
const LOCKS: [&str; 2] = [".tantivy-meta.lock", ".tantivy-writer.lock"];

/// What a segment says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) settings: Settings,
    pub(crate) rows: u64,
    /// Tokens of all rows, exactly.
    pub(crate) tokens: u64,
}

impl Manifest {
    /// Vouch for the files in `directory`, and bring all of them to the disk.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), Error> {
        let mut files = Map::new();
        for name in names(directory)? {
            let path = directory.join(&name);
            if LOCKS.contains(&name.as_str()) {
                fs::remove_file(&path).map_err(|error| Error::io(&path, &error))?;
                continue;
            }
            let file = File::open(&path).map_err(|error| Error::io(&path, &error))?;
            file.sync_all().map_err(|error| Error::io(&path, &error))?;
            files.insert(name, checksum(&path, file)?);
        }
        let text = json!({
            "format": FORMAT,
            "settings": self.settings.to_value(),
            "rows": self.rows,
            "tokens": self.tokens,
            "files": files,
        })
        .to_string();
        let path = directory.join(MANIFEST);
        let write = || {
            let mut file = File::create_new(&path)?;
            writeln!(file, "{text}\n{:08x}", crc32fast::hash(text.as_bytes()))?;
            file.sync_all()?;
            File::open(directory)?.sync_all()
        };
        write().map_err(|error| Error::io(&path, &error))
    }

    /// Read the manifest of `directory` and hold every file to it. Time O(bytes of all files).
    pub(crate) fn read(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(MANIFEST);
        let bytes = fs::read(&path).map_err(|error| Error::io(&path, &error))?;
        let damaged = |reason: &str| Error::damaged(&path, reason);
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is no text"))?;
        let (text, sum) = text
            .strip_suffix('\n')
            .and_then(|lines| lines.split_once('\n'))
            .ok_or_else(|| damaged("it does not end as a manifest does"))?;
        if sum != format!("{:08x}", crc32fast::hash(text.as_bytes())) {
            return Err(damaged("its checksum is wrong"));
        }
        let value: Value = serde_json::from_str(text).map_err(|_| damaged("it is no JSON"))?;
        let number = |key: &str| value.get(key).and_then(Value::as_u64).ok_or_else(|| damaged("a number is missing"));
        let format = number("format")?;
        if format != FORMAT {
            return Err(damaged(&format!("it has format {format}, this crossfade reads format {FORMAT}")));
        }
        let settings = value.get("settings").ok_or_else(|| damaged("the settings are missing"))?;
        let settings = Settings::from_value(settings).map_err(|error| damaged(&error.to_string()))?;
        let files = value.get("files").and_then(Value::as_object).ok_or_else(|| damaged("the files are missing"))?;
        for (name, wanted) in files {
            let path = directory.join(name);
            let file = File::open(&path).map_err(|error| Error::io(&path, &error))?;
            if checksum(&path, file)? != *wanted {
                return Err(Error::damaged(&path, "it is not what was written"));
            }
        }
        Ok(Self { settings, rows: number("rows")?, tokens: number("tokens")? })
    }
}

/// The names in a directory, sorted. Raises what the system says.
pub(crate) fn names(directory: &Path) -> Result<Vec<String>, Error> {
    let list = || -> std::io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    };
    list().map_err(|error| Error::io(directory, &error))
}

fn checksum(path: &Path, mut file: File) -> Result<Value, Error> {
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0_u64;
    loop {
        let read = file.read(&mut buffer).map_err(|error| Error::io(path, &error))?;
        if read == 0 {
            return Ok(json!({"bytes": bytes, "crc32": format!("{:08x}", hasher.finalize())}));
        }
        hasher.update(&buffer[..read]);
        bytes += read as u64;
    }
}
