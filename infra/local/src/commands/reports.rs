use crate::CliError;
use crate::files::write;
use crate::output::Output;
use crate::world::World;
use interline_domain::units::calendar::Period;
use interline_lambda::finished::FinishedRun;
use interline_reports::pack::{MANIFEST, SIGNATURE, STATEMENT};
use serde_json::json;
use std::path::Path;

/// Files of single shards.
const FOLDED: [&str; 3] = ["tallies/", "details/", "digests/"];

pub async fn reports(
    world: &World,
    period: Period,
    out: Option<&Path>,
    open: bool,
    output: &Output,
) -> Result<bool, CliError> {
    let (kind, finished) = newest_run(world, period).await?;
    let FinishedRun { run, manifest, manifest_bytes, .. } = &finished;
    output.line(format!(
        "{period} {kind} run {}, finished {}",
        run.id,
        run.finished_at.format("%Y-%m-%d %H:%M:%S UTC")
    ));
    if let Some(out) = out {
        for file in &manifest.files {
            write(&out.join(&file.path), &finished.file(&file.path).await?)?;
        }
        write(&out.join(MANIFEST), manifest_bytes)?;
        if let Some(signature) = world.app.reports.find(&finished.key(SIGNATURE)).await? {
            write(&out.join(SIGNATURE), &signature)?;
        }
        output.line(format!("{} files copied to {}, every checksum right", manifest.files.len() + 1, out.display()));
    } else {
        let rows: Vec<Vec<String>> = manifest
            .files
            .iter()
            .filter(|file| !FOLDED.iter().any(|folder| file.path.starts_with(folder)))
            .map(|file| {
                let rows = file.rows.map(|rows| rows.to_string()).unwrap_or_default();
                vec![file.path.clone(), rows, file.bytes.to_string()]
            })
            .collect();
        output.table(&["file", ">rows", ">bytes"], &rows);
        let others = manifest.files.len() - rows.len();
        output.line(format!("  and {others} detail parts, digests and tallies; copy all with --out DIR"));
    }
    if open {
        show(world, &finished)?;
    }
    output.document(&json!({
        "period": period, "kind": kind, "run": run.id, "manifest": run.manifest, "files": manifest.files,
        "out": out.map(|out| out.display().to_string()),
    }));
    Ok(true)
}

/// Opens the statement in the desktop's browser.
fn show(world: &World, finished: &FinishedRun<'_>) -> Result<(), CliError> {
    let Some(folder) = &world.folder else {
        return Err(CliError::Usage("only local reports can be opened; copy them with --out DIR".to_owned()));
    };
    let path = folder.join(world.app.reports.name()).join(finished.key(STATEMENT));
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let opened = std::process::Command::new(opener).arg(&path).status();
    match opened {
        Ok(status) if status.success() => Ok(()),
        Ok(_) | Err(_) => Err(CliError::Usage(format!("{opener} could not open {}", path.display()))),
    }
}

pub async fn newest_run(world: &World, period: Period) -> Result<(&'static str, FinishedRun<'_>), CliError> {
    let state = world.app.ledger.period(period).await?;
    let missing = || CliError::Usage(format!("period {period} has no run yet: cargo interline close {period}"));
    let (kind, run) = state.newest().ok_or_else(missing)?;
    Ok((kind.word(), FinishedRun::read(&world.app, period, run).await?))
}
