use crate::CliError;
use crate::output::Output;
use crate::world::World;
use interline_domain::calendar::Period;
use interline_lambda::Failure;
use interline_ledger::Run;
use interline_reports::manifest::{Manifest, sha256};
use interline_reports::pack::{MANIFEST, key};
use serde_json::json;
use std::path::Path;

pub async fn reports(
    world: &World,
    period: Period,
    out: Option<&Path>,
    open: bool,
    output: &Output,
) -> Result<bool, CliError> {
    let (kind, run) = newest(world, period).await?;
    let (manifest, bytes) = manifest(world, period, &run).await?;
    output.line(format!(
        "{period} {kind} run {}, finished {}",
        run.id,
        run.finished_at.format("%Y-%m-%d %H:%M:%S UTC")
    ));
    if let Some(out) = out {
        for file in &manifest.files {
            let content = world.app.reports.get(&key(period, &run.id, &file.path)).await?;
            if sha256(&content) != file.sha256 {
                return Err(Failure::Corrupt(format!("{} is not what the manifest says", file.path)).into());
            }
            write(&out.join(&file.path), &content)?;
        }
        write(&out.join(MANIFEST), &bytes)?;
        output.line(format!("{} files copied to {}, every checksum right", manifest.files.len() + 1, out.display()));
    } else {
        let rows: Vec<Vec<String>> = manifest
            .files
            .iter()
            .filter(|file| !file.path.starts_with("tallies/") && !file.path.starts_with("details/"))
            .map(|file| {
                let rows = file.rows.map(|rows| rows.to_string()).unwrap_or_default();
                vec![file.path.clone(), rows, file.bytes.to_string()]
            })
            .collect();
        output.table(&["file", ">rows", ">bytes"], &rows);
        let others = manifest.files.len() - rows.len();
        output.line(format!("  and {others} detail parts and tallies; copy all with --out DIR"));
    }
    if open {
        show(world, period, &run)?;
    }
    output.document(&json!({
        "period": period, "kind": kind, "run": run.id, "manifest": run.manifest, "files": manifest.files,
        "out": out.map(|out| out.display().to_string()),
    }));
    Ok(true)
}

/// Opens the statement in the desktop's browser.
fn show(world: &World, period: Period, run: &Run) -> Result<(), CliError> {
    let Some(folder) = &world.folder else {
        return Err(CliError::Usage("only local reports can be opened; copy them with --out DIR".to_owned()));
    };
    let path = folder.join(world.app.reports.name()).join(key(period, &run.id, "statement.html"));
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let opened = std::process::Command::new(opener).arg(&path).status();
    match opened {
        Ok(status) if status.success() => Ok(()),
        Ok(_) | Err(_) => Err(CliError::Usage(format!("{opener} could not open {}", path.display()))),
    }
}

/// The final run if there is one, else the latest trial.
pub async fn newest(world: &World, period: Period) -> Result<(&'static str, Run), CliError> {
    let state = world.app.ledger.period(period).await?;
    match (state.final_run, state.trial) {
        (Some(run), _) => Ok(("final", run)),
        (None, Some(run)) => Ok(("trial", run)),
        (None, None) => Err(CliError::Usage(format!("period {period} has no run yet: cargo interline close {period}"))),
    }
}

/// The manifest of a run, checked against the hash that the ledger holds.
pub async fn manifest(world: &World, period: Period, run: &Run) -> Result<(Manifest, Vec<u8>), CliError> {
    let key = key(period, &run.id, MANIFEST);
    let bytes = world.app.reports.get(&key).await?;
    if sha256(&bytes) != run.manifest {
        return Err(Failure::Corrupt(format!("object {key} is not what its run recorded")).into());
    }
    let manifest = serde_json::from_slice(&bytes).map_err(Failure::from)?;
    Ok((manifest, bytes))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let parent = path.parent().unwrap_or(path);
    let written = std::fs::create_dir_all(parent).and_then(|()| std::fs::write(path, bytes));
    written.map_err(|source| CliError::File { action: "cannot write", path: path.to_owned(), source })
}
