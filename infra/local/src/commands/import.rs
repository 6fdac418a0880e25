use crate::CliError;
use crate::arguments::Arguments;
use crate::files::write;
use crate::output::Output;
use crate::world::World;
use interline_import::{FILE_MAX_BYTES, Imported};
use serde_json::json;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

const GZIP: &[u8] = b"\x1f\x8b";

pub async fn import(
    world: &World,
    arguments: &Arguments,
    files: &[PathBuf],
    strict: bool,
    output: &Output,
) -> Result<bool, CliError> {
    let mut results = Vec::new();
    for path in files {
        let bytes = read(path)?;
        let name = match (is_standard_input(path), bytes.starts_with(GZIP)) {
            (true, true) => "standard-input.csv.gz".to_owned(),
            (true, false) => "standard-input.csv".to_owned(),
            (false, _) => path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        };
        results.push(one(world, &name, &bytes, &arguments.data_dir, output).await?);
    }
    let rejected: u64 = results.iter().map(|result| result.rejected).sum();
    let failed = results.iter().any(|result| result.refused.is_some() || result.fault.is_some());
    output.document(&json!({ "files": results }));
    let strictly_rejected = strict && rejected > 0;
    Ok(!failed && !strictly_rejected)
}

pub fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

/// A file, or of one that is too large as much as tells so.
fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let read = match is_standard_input(path) {
        true => io::stdin().take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes),
        false => File::open(path).and_then(|file| file.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes)),
    };
    match read {
        Ok(_) => Ok(bytes),
        Err(source) => Err(CliError::File { action: "cannot read", path: path.to_owned(), source }),
    }
}

/// Imports one file on behalf of the platform, which may send for every line.
pub async fn one(
    world: &World,
    name: &str,
    bytes: &[u8],
    data_dir: &Path,
    output: &Output,
) -> Result<Imported, CliError> {
    let platform = world.app.rulebook().await?.rulebook.platform.clone();
    let bar = output.progress(name, 0);
    let progress = |done: u64, total: u64| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let imported = interline_import::import(&world.app, &platform, name, bytes, &progress).await;
    bar.finish_and_clear();
    let (mut imported, rejects) = imported?;
    imported.by = world.app.person().map(str::to_owned);
    if let Some(rejects) = rejects {
        let path = data_dir.join("rejects").join(imported.rejects_name());
        write(&path, &rejects)?;
        imported.rejects = Some(path.display().to_string());
    }
    interline_import::finish(&world.app, &platform, &mut imported).await?;
    if let Some(reason) = &imported.refused {
        output.line(format!("{name}: refused as a whole, nothing of it is recorded: {reason}"));
        return Ok(imported);
    }
    output.line(format!(
        "{name}: {} rows, {} accepted, {} replayed, {} rejected",
        imported.rows, imported.accepted, imported.replayed, imported.rejected
    ));
    for (rule, rows) in &imported.rejected_by_rule {
        output.line(format!("  {rule}: {rows}"));
    }
    for line in booked_late(world, &imported).await? {
        output.line(format!("  {line}"));
    }
    if let Some(rejects) = &imported.rejects {
        output.line(format!("  rejected rows with their reasons: {rejects}"));
    }
    if let Some(fault) = &imported.fault {
        output.line(format!("  NOT ALL ROWS COULD BE RECORDED: {fault}"));
    }
    Ok(imported)
}

/// In words, how many rows are booked into a later month, and why.
async fn booked_late(world: &World, imported: &Imported) -> Result<Vec<String>, CliError> {
    let mut lines = Vec::new();
    for (happened, into) in &imported.late {
        let is_open = world.app.ledger.period(*happened).await?.is_open();
        for (booked, rows) in into {
            let were = if *rows == 1 { "row was" } else { "rows were" };
            let reason = match is_open {
                true => format!("{were} booked into {booked} because points were given back there since {happened}"),
                false => format!("{were} booked into {booked} because {happened} is closed"),
            };
            lines.push(format!("{rows} {reason}"));
        }
    }
    Ok(lines)
}
