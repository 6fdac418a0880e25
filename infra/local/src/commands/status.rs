use crate::CliError;
use crate::output::Output;
use crate::world::World;
use chrono::{DateTime, Utc};
use interline_domain::close::period::{PeriodState, Run};
use interline_domain::terms::rulebook::{Line, Rulebook};
use interline_domain::units::calendar::Period;
use serde_json::{Value, json};

/// What is open, what is to be closed next and from when on, and who has sent nothing.
pub async fn status(world: &World, output: &Output) -> Result<bool, CliError> {
    let app = &world.app;
    let published = app.rulebook().await?;
    let rulebook = &*published.rulebook;
    let now = app.now();
    let history = app.ledger.rulebook_history().await?;
    let since = history.iter().rev().find(|event| event.rulebook == rulebook.hash);
    let current = rulebook.period(now);
    let states = app.ledger.periods_from(rulebook.first_period, current).await?;
    let next = states.values().find(|state| !state.is_final()).map(|state| state.period);
    let silent = match next {
        Some(period) => silent(world, rulebook, period).await?,
        None => Vec::new(),
    };

    output.line(format!("{} in {}, rulebook {}", rulebook.name, rulebook.currency, &rulebook.hash[..8]));
    if let Some(event) = since {
        output.line(format!("  in force since {}{}", minute(event.at), by(event.by.as_deref())));
    }
    // Months that nothing was done with yet are told in one line.
    let untouched = states.values().rev().take_while(|state| **state == PeriodState::open(state.period)).count();
    let shown = states.len() - untouched.saturating_sub(1);
    let rows: Vec<Vec<String>> = states.values().take(shown).map(row).collect();
    output.table(&["period", "status", "trial", "final", "finished"], &rows);
    if shown < states.len() {
        output.line(format!("  and {} more to {current}, open", states.len() - shown));
    }
    for state in states.values() {
        if let Some(attempt) = &state.attempt {
            let started = format!("run {} was started at {}", attempt.run, minute(attempt.started_at));
            let became = match &attempt.failed {
                Some(reason) => format!("and failed: {reason}"),
                None => "and has not ended".to_owned(),
            };
            output.line(format!("{}: {started}{} {became}", state.period, by(attempt.by.as_deref())));
        }
    }
    let next = next.map(|period| (period, rulebook.seal_not_before(period)));
    match next {
        Some((period, from)) if from <= now => output.line(format!("Next: close {period} (interline close {period})")),
        Some((period, from)) => output.line(format!("Next: close {period}, from {} on", minute(from))),
        None => output.line("Every month that has begun is closed."),
    }
    if let Some((period, _)) = next
        && !silent.is_empty()
    {
        let names: Vec<&str> = silent.iter().map(|line| line.id.as_str()).collect();
        output.line(format!("Nothing in {period} yet from: {}", names.join(", ")));
    }
    output.document(&json!({
        "programme": rulebook.name, "rulebook": rulebook.hash, "now": now,
        "in_force": since,
        "periods": states.values().collect::<Vec<_>>(),
        "next": next.map(|(period, from)| json!({
            "period": period, "not_before": from, "due": from <= now,
            "silent_lines": silent.iter().map(|line| line.id.as_str()).collect::<Vec<_>>(),
        })).unwrap_or(Value::Null),
    }));
    Ok(true)
}

/// The lines that take part in a period and have no entry in it.
async fn silent<'r>(world: &World, rulebook: &'r Rulebook, period: Period) -> Result<Vec<&'r Line>, CliError> {
    let mut silent = Vec::new();
    for line in rulebook.lines_of(period) {
        if line.id != rulebook.platform && !world.app.ledger.has_entries_of(period, &line.id).await? {
            silent.push(line);
        }
    }
    Ok(silent)
}

fn row(state: &PeriodState) -> Vec<String> {
    let id = |run: Option<&Run>| run.map(|run| run.id.clone()).unwrap_or_default();
    let finished = state.final_run().map(|run| format!("{}{}", minute(run.finished_at), by(run.by.as_deref())));
    vec![
        state.period.to_string(),
        state.status.word().to_owned(),
        id(state.trial.as_ref()),
        id(state.final_run()),
        finished.unwrap_or_default(),
    ]
}

pub fn minute(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%d %H:%M UTC").to_string()
}

fn by(person: Option<&str>) -> String {
    person.map(|person| format!(" by {person}")).unwrap_or_default()
}
