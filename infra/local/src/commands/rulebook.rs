use crate::CliError;
use crate::output::{Output, warn};
use crate::sample;
use crate::world::{World, read};
use interline_domain::terms::rulebook::{Change, Differences, Rulebook, RulebookError, Undated};
use interline_lambda::Proposal;
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::path::Path;

/// Every rulebook that came into force, earliest first.
pub async fn history(world: &World, output: &Output) -> Result<bool, CliError> {
    let history = world.app.ledger.rulebook_history().await?;
    let rows: Vec<Vec<String>> = history
        .iter()
        .map(|event| {
            let by = event.by.clone().unwrap_or_default();
            vec![event.at.format("%Y-%m-%d %H:%M:%S UTC").to_string(), event.rulebook.clone(), by]
        })
        .collect();
    output.table(&["in force from", "rulebook", "published by"], &rows);
    output.document(&json!({ "history": history }));
    Ok(true)
}

/// Shows what changes, asks where that is wanted, and brings the rulebook into force.
pub async fn publish(
    world: &World,
    file: &Path,
    retroactive: Option<&str>,
    asks: bool,
    output: &Output,
) -> Result<bool, CliError> {
    let proposal = world.app.propose(&read(file)?).await?;
    show(&proposal, output);
    let mut document = differences(&proposal);
    // What needs a reason and has none is refused below, before anybody is asked.
    let wanted = proposal.past.is_empty() || retroactive.is_some();
    if asks && wanted && !agreed()? {
        output.line("Nothing was published.");
        document["published"] = json!(false);
        output.document(&document);
        return Ok(false);
    }
    let published = world.app.bring_into_force(proposal, retroactive).await?;
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
    document["published"] = json!(true);
    document["warnings"] = findings(&warnings);
    output.document(&document);
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

fn show(proposal: &Proposal, output: &Output) {
    let Differences { undated, dated, identity, fixed, joining } = &proposal.differences;
    for Undated { term, was, becomes } in undated {
        output.line(format!("{term}: {was} -> {becomes}"));
    }
    for (line, from) in joining {
        output.line(format!("lines: {line} takes part from {from} on"));
    }
    for change in identity.iter().chain(fixed).chain(dated) {
        output.line(change.to_string());
    }
    if !proposal.past.is_empty() {
        output.line("Of these, for days that are past:");
        for change in &proposal.past {
            output.line(format!("  {change}"));
        }
    }
}

fn differences(proposal: &Proposal) -> Value {
    let Differences { undated, dated, identity, fixed, joining } = &proposal.differences;
    let joining: Vec<Value> = joining.iter().map(|(line, from)| json!({ "line": line, "from": from })).collect();
    let dated: Vec<&Change> = identity.iter().chain(fixed).chain(dated).collect();
    json!({
        "hash": proposal.rulebook.hash,
        "differences": { "undated": undated, "dated": dated, "joining": joining, "past": proposal.past },
    })
}

/// Without a terminal nobody can agree.
fn agreed() -> Result<bool, CliError> {
    if !std::io::stdin().is_terminal() {
        warn("Nobody can be asked without a terminal: say --yes to publish.");
        return Ok(false);
    }
    eprint!("Bring it into force? [y/N] ");
    let mut answer = String::new();
    let source = std::io::stdin().read_line(&mut answer);
    source.map_err(|source| CliError::File { action: "cannot read", path: "the answer".into(), source })?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

pub fn check(file: &Path, output: &Output) -> Result<bool, CliError> {
    let checked = Rulebook::parse(&read(file)?).and_then(|rulebook| rulebook.check_new().map(|()| rulebook));
    match checked {
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
