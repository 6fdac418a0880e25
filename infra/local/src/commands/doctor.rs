use crate::CliError;
use crate::commands::status::minute;
use crate::output::Output;
use crate::world::World;
use interline_domain::close::period::PeriodState;
use interline_domain::units::causes::causes;
use interline_lambda::finished::FinishedRun;
use interline_lambda::{App, Failure};
use serde_json::json;

/// One thing that was looked at.
struct Finding {
    what: String,
    /// What is wrong with it.
    wrong: Option<String>,
}

/// Looks at everything that a close rests on and changes nothing.
pub async fn doctor(world: &World, output: &Output) -> Result<bool, CliError> {
    let app = &*world.app;
    let mut findings = vec![rulebook(app).await];
    if findings[0].wrong.is_none() {
        findings.push(key(app).await);
    }
    for state in app.ledger.periods().await? {
        findings.extend(reports(app, &state).await);
        findings.extend(attempt(&state));
    }
    for Finding { what, wrong } in &findings {
        match wrong {
            None => output.line(format!("  fine   {what}")),
            Some(wrong) => output.line(format!("  WRONG  {what}: {wrong}")),
        }
    }
    let wrong = findings.iter().filter(|finding| finding.wrong.is_some()).count();
    output.line(match wrong {
        0 => "Nothing is wrong. (interline verify PERIOD recomputes a month, interline accounts check the accounts.)"
            .to_owned(),
        1 => "One thing is wrong.".to_owned(),
        more => format!("{more} things are wrong."),
    });
    let findings: Vec<_> =
        findings.iter().map(|finding| json!({ "what": finding.what, "wrong": finding.wrong })).collect();
    output.document(&json!({ "findings": findings }));
    Ok(wrong == 0)
}

impl Finding {
    fn of(what: impl Into<String>, looked: Result<(), Failure>) -> Self {
        Self { what: what.into(), wrong: looked.err().map(|failure| causes(&failure)) }
    }
}

async fn rulebook(app: &App) -> Finding {
    Finding::of("the rulebook in force", app.rulebook().await.map(drop))
}

async fn key(app: &App) -> Finding {
    let looked = async {
        let published = app.rulebook().await?;
        app.pseudonyms_of_before(&published.rulebook).await.map(drop)
    };
    Finding::of("the key of the pseudonyms", looked.await)
}

/// Every file of a final run, by the hashes of its manifest, and that by the ledger's.
async fn reports(app: &App, state: &PeriodState) -> Option<Finding> {
    let run = state.final_run()?;
    let looked = async {
        let finished = FinishedRun::read(app, state.period, run).await?;
        for file in &finished.manifest.files {
            finished.file(&file.path).await?;
        }
        Ok(())
    };
    Some(Finding::of(format!("{} final run {}", state.period, run.id), looked.await))
}

fn attempt(state: &PeriodState) -> Option<Finding> {
    let attempt = state.attempt.as_ref()?;
    let wrong = match &attempt.failed {
        Some(reason) => format!("failed: {reason}"),
        None => format!("was started at {} and has not ended", minute(attempt.started_at)),
    };
    Some(Finding { what: format!("{} run {}", state.period, attempt.run), wrong: Some(wrong) })
}
