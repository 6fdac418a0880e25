//! Files that a command leaves for a person.

use crate::CliError;
use std::fs;
use std::path::Path;

/// Writes a file that is there whole or not at all, also when the disk is full or
/// the process is killed. What it replaces stays until then.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let folder = path.parent().unwrap_or(path);
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::write(&part, bytes))
        .and_then(|()| fs::rename(&part, path))
        .inspect_err(|_| {
            let _ = fs::remove_file(&part);
        });
    written.map_err(|source| CliError::File { action: "cannot write", path: path.to_owned(), source })
}
