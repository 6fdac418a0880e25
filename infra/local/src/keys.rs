//! Keys of pseudonyms in files: `<data-dir>/keys/<name>`.

use crate::CliError;
use async_trait::async_trait;
use interline_lambda::Failure;
use interline_lambda::keys::Keys;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Random bytes of a new key.
const KEY_BYTES: usize = 32;

#[derive(Debug)]
pub struct KeyFolder(PathBuf);

impl KeyFolder {
    pub fn of(data_dir: &Path) -> Self {
        Self(data_dir.join("keys"))
    }

    /// Makes a key where there is none of that name; `true`: it is new.
    pub fn make_if_missing(&self, name: &str) -> Result<bool, CliError> {
        let path = self.0.join(name);
        if path.exists() {
            return Ok(false);
        }
        let written = (|| {
            let mut key = [0; KEY_BYTES];
            getrandom::fill(&mut key)?;
            let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
            // No key has such a name: it has a dot.
            let part = self.0.join(format!("{name}.part"));
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
            writeln!(file, "{text}")?;
            file.sync_all()?;
            fs::rename(&part, &path)
        })();
        match written {
            Ok(()) => Ok(true),
            Err(source) => Err(CliError::File { action: "cannot write", path, source }),
        }
    }
}

#[async_trait]
impl Keys for KeyFolder {
    async fn key(&self, name: &str) -> Result<String, Failure> {
        let path = self.0.join(name);
        fs::read_to_string(&path).map_err(|error| {
            let reason = match error.kind() {
                std::io::ErrorKind::NotFound => format!("the file {} is missing; bring it back", path.display()),
                _ => format!("cannot read {}: {error}", path.display()),
            };
            Failure::Key { name: name.to_owned(), reason }
        })
    }
}
