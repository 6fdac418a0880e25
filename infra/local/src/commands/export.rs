use crate::CliError;
use crate::files::write;
use crate::output::Output;
use crate::world::World;
use interline_domain::events::Command;
use interline_domain::units::calendar::Period;
use interline_intake::{FileOfEvents, RowNotWritten};
use serde_json::json;
use std::path::Path;

/// The events that a month clears, in the columns of a file that can be imported, in the
/// order of their time and, of one member at one time, of their recording: so an import
/// decides them again as they were.
pub async fn export(world: &World, period: Period, out: Option<&Path>, output: &Output) -> Result<bool, CliError> {
    let mut commands: Vec<(Command, u64)> = Vec::new();
    let shards = world.app.rulebook().await?.rulebook.shards(period);
    for shard in shards.all() {
        let mut records = world.app.ledger.shard_records(period, shard);
        while let Some(page) = records.next_page().await {
            commands.extend(page?.into_iter().map(|(entry, sequence)| (entry.command(), sequence)));
        }
    }
    commands.sort_by(|(one, nth), (other, nth_other)| {
        one.occurred()
            .cmp(&other.occurred())
            .then_with(|| one.head.member.cmp(&other.head.member))
            .then(nth.cmp(nth_other))
    });
    let not_written = |error: RowNotWritten| CliError::Usage(error.to_string());
    let mut file = FileOfEvents::new(world.app.rulebook().await?.rulebook.currency).map_err(not_written)?;
    for (command, _) in &commands {
        file.add(command).map_err(not_written)?;
    }
    let bytes = file.finish().map_err(not_written)?;
    match out {
        Some(path) => {
            write(path, &bytes)?;
            output.line(format!("{period}: {} events in {}", commands.len(), path.display()));
        }
        None if output.is_json() => {}
        None => output.write(&bytes),
    }
    let out = out.map(|path| path.display().to_string());
    output.document(&json!({ "period": period, "events": commands.len(), "out": out }));
    Ok(true)
}
