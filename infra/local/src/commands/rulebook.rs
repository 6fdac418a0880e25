use crate::CliError;
use crate::output::{Output, warn};
use crate::sample;
use crate::world::{World, read};
use chrono::{NaiveDate, NaiveTime, TimeZone};
use interline_domain::events::earned::{Earned, earned};
use interline_domain::terms::rulebook::{Awarded, Change, Differences, Rulebook, RulebookError, Undated};
use interline_domain::units::id::LineId;
use interline_domain::units::money::Money;
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

/// A sale that is only asked about.
pub struct Sale<'a> {
    pub line: &'a LineId,
    pub amount: &'a str,
    pub day: NaiveDate,
    pub time: NaiveTime,
}

/// What a sale would earn under a rulebook, and who would pay.
pub fn explain(file: &Path, sale: &Sale<'_>, output: &Output) -> Result<bool, CliError> {
    let rulebook = match Rulebook::parse(&read(file)?) {
        Ok(rulebook) => rulebook,
        Err(_) => return check(file, output),
    };
    let wrong = |text: String| CliError::Usage(text);
    let amount = rulebook.currency.parse_money(sale.amount).map_err(|error| wrong(format!("--amount {error}")))?;
    let at = rulebook.zone.from_local_datetime(&sale.day.and_time(sale.time)).earliest();
    let at = at.ok_or_else(|| wrong("--at: the programme's clocks do not show this time on this day".to_owned()))?;
    let earned = earned(&rulebook, sale.line, at.to_utc(), amount).map_err(|refusal| wrong(refusal.to_string()))?;
    let show = |amount| rulebook.currency.show(amount).to_string();
    let (mut claims, mut costs) = (Vec::new(), Vec::new());
    for of in &earned.claims {
        let shares: Vec<String> = of.funders.iter().map(|(line, share)| format!("{line} {share}")).collect();
        let awards = earned.awards.iter().filter(|award| award.scheme == of.scheme);
        let awards: Vec<String> = awards.map(|award| format!("{} {}", award.award, award.points)).collect();
        let awards = if awards.is_empty() { "base".to_owned() } else { awards.join(", ") };
        claims.push(vec![
            of.scheme.to_string(),
            of.points.to_string(),
            awards,
            of.expires.to_string(),
            shares.join(", "),
        ]);
        for at in &of.redeemed {
            let parts: Vec<String> = at.payers.iter().map(|(payer, part)| format!("{payer} {}", show(*part))).collect();
            costs.push(vec![
                of.scheme.to_string(),
                at.line.to_string(),
                show(at.value),
                show(at.amount),
                parts.join(", "),
            ]);
        }
    }
    if claims.is_empty() {
        output.line("The sale earns nothing.");
    } else {
        output.table(&["scheme", "points", "by award", "expires", "borne by"], &claims);
        output.line("");
        output.table(&["all of", "redeemed at", "are worth", "cost", "to"], &costs);
    }
    output.document(&document(&earned, show));
    Ok(true)
}

fn document(earned: &Earned, show: impl Fn(Money) -> String) -> Value {
    let claims = earned.claims.iter().map(|of| {
        let funders = of.funders.iter().map(|(line, share)| json!({ "line": line, "share": share.to_string() }));
        let redeemed = of.redeemed.iter().map(|at| {
            let payers = at.payers.iter().map(|(payer, part)| json!({ "line": payer, "amount": show(*part) }));
            let payers: Vec<Value> = payers.collect();
            json!({ "line": at.line, "value": show(at.value), "amount": show(at.amount), "payers": payers })
        });
        let (funders, redeemed): (Vec<Value>, Vec<Value>) = (funders.collect(), redeemed.collect());
        json!({ "scheme": of.scheme, "points": of.points, "expires": of.expires, "funders": funders, "redeemed": redeemed })
    });
    let claims: Vec<Value> = claims.collect();
    let one = |of: &Awarded| json!({ "award": of.award, "scheme": of.scheme, "points": of.points });
    let awards: Vec<Value> = earned.awards.iter().map(one).collect();
    json!({ "claims": claims, "awards": awards })
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
