use crate::CliError;
use crate::output::Output;
use crate::world::{World, read};
use interline_domain::rulebook::Rulebook;
use serde_json::json;
use std::path::Path;

/// The world was opened with it; see [`World::open`].
pub async fn publish(world: &World, output: &Output) -> Result<bool, CliError> {
    let published = world.app.rulebook().await?;
    let Rulebook { name, hash, .. } = &*published.rulebook;
    output.line(format!("{name}: in force, hash {hash}"));
    output.document(&json!({ "published": true, "hash": hash }));
    Ok(true)
}

pub fn check(file: &Path, output: &Output) -> Result<bool, CliError> {
    match Rulebook::parse(&read(file)?) {
        Ok(rulebook) => {
            output.line(format!(
                "{}: valid. {} with {} lines, in {} from {}, hash {}",
                file.display(),
                rulebook.name,
                rulebook.lines.len(),
                rulebook.currency,
                rulebook.first_period,
                rulebook.hash
            ));
            output.document(&json!({ "valid": true, "hash": rulebook.hash, "errors": [] }));
            Ok(true)
        }
        Err(errors) => {
            for error in &errors.0 {
                output.line(format!("{}: {error}", file.display()));
            }
            let errors: Vec<_> = errors
                .0
                .iter()
                .map(|error| json!({ "line": error.line, "field": error.field, "rule": error.rule }))
                .collect();
            output.document(&json!({ "valid": false, "errors": errors }));
            Ok(false)
        }
    }
}
