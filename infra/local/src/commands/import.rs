use crate::CliError;
use crate::arguments::Arguments;
use crate::files::write;
use crate::output::Output;
use crate::world::World;
use interline_import::Imported;
use serde_json::json;
use std::path::{Path, PathBuf};

pub async fn import(
    world: &World,
    arguments: &Arguments,
    files: &[PathBuf],
    strict: bool,
    output: &Output,
) -> Result<bool, CliError> {
    let mut results = Vec::new();
    for path in files {
        let bytes = std::fs::read(path).map_err(|source| CliError::File {
            action: "cannot read",
            path: path.clone(),
            source,
        })?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        results.push(one(world, &name, &bytes, &arguments.data_dir, output).await?);
    }
    let rejected: u64 = results.iter().map(|result| result.rejected).sum();
    let refused = results.iter().any(|result| result.refused.is_some());
    output.document(&json!({ "files": results }));
    let strictly_rejected = strict && rejected > 0;
    Ok(!refused && !strictly_rejected)
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
    if let Some(rejects) = rejects {
        let path = data_dir.join("rejects").join(imported.rejects_name());
        write(&path, &rejects)?;
        imported.rejects = Some(path.display().to_string());
    }
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
    if let Some(rejects) = &imported.rejects {
        output.line(format!("  rejected rows with their reasons: {rejects}"));
    }
    Ok(imported)
}
