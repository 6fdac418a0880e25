use crate::CliError;
use crate::output::Output;
use crate::sample;
use crate::world::{World, read};
use interline_domain::rulebook::{Rulebook, RulebookError};
use serde_json::{Value, json};
use std::path::Path;

/// The world was opened with it; see [`World::open`].
pub async fn publish(world: &World, output: &Output) -> Result<bool, CliError> {
    let published = world.app.rulebook().await?;
    let Rulebook { name, hash, .. } = &*published.rulebook;
    output.line(format!("{name}: in force, hash {hash}"));
    let mut warnings = warnings(&published.rulebook);
    if let Err(failure) = world.app.pseudonyms(&published.rulebook).await {
        let field = "programme.pseudonym_key".to_owned();
        warnings.push(RulebookError { line: 0, field, rule: failure.to_string() });
    }
    for warning in &warnings {
        output.line(format!("warning: {warning}"));
    }
    output.document(&json!({ "published": true, "hash": hash, "warnings": findings(&warnings) }));
    Ok(true)
}

/// What should be otherwise in a programme that begins. The sample may be as it is.
fn warnings(rulebook: &Rulebook) -> Vec<RulebookError> {
    match Rulebook::parse(sample::RULEBOOK) {
        Ok(sample) if sample.hash == rulebook.hash => Vec::new(),
        Ok(_) | Err(_) => rulebook.warnings.clone(),
    }
}

fn findings(findings: &[RulebookError]) -> Value {
    findings
        .iter()
        .map(|finding| json!({ "line": finding.line, "field": finding.field, "rule": finding.rule }))
        .collect()
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
            let warnings = warnings(&rulebook);
            for warning in &warnings {
                output.line(format!("{}: warning: {warning}", file.display()));
            }
            let warnings = findings(&warnings);
            output.document(&json!({ "valid": true, "hash": rulebook.hash, "errors": [], "warnings": warnings }));
            Ok(true)
        }
        Err(errors) => {
            for error in &errors.0 {
                output.line(format!("{}: {error}", file.display()));
            }
            output.document(&json!({ "valid": false, "errors": findings(&errors.0) }));
            Ok(false)
        }
    }
}
