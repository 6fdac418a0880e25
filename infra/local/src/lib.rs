//! The program `interline`: the same handlers as on AWS, on one machine.

mod arguments;
mod changed_entries;
mod commands;
mod examples;
mod files;
pub mod gateway;
mod inbox;
mod keys;
pub mod month_end;
mod output;
pub mod sample;
pub mod signing;
mod sigv4;
pub mod verification;
pub mod world;

use arguments::{AccountsCommand, Arguments, Command, PaymentsCommand, RulebookCommand};
use clap::FromArgMatches;
use interline_lambda::Failure;
use output::{Output, warn};
use std::ffi::OsString;
use std::process::ExitCode;
use world::World;

/// What went wrong, for a person.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Failure(#[from] Failure),
    #[error(transparent)]
    Sign(#[from] interline_reports::signature::SignError),
    #[error(transparent)]
    Embedded(#[from] interline_embedded::EmbeddedError),
    #[error("{action} {path}")]
    File { action: &'static str, path: std::path::PathBuf, source: std::io::Error },
    #[error("{0}")]
    Usage(String),
}

impl From<interline_ledger::LedgerError> for CliError {
    fn from(error: interline_ledger::LedgerError) -> Self {
        CliError::Failure(error.into())
    }
}

impl From<interline_reports::bucket::StoreError> for CliError {
    fn from(error: interline_reports::bucket::StoreError) -> Self {
        CliError::Failure(error.into())
    }
}

/// Runs one command. The exit status is zero only when all is well.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = examples::command().try_get_matches_from(arguments);
    let arguments = match matches.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let output = Output::new(arguments.json);
    let ended = execute(&arguments, &output).await;
    if let Err(error) = &ended {
        output.error(error);
    }
    if let Some(error) = output.failed() {
        warn(format!("error: standard output did not take the answer; what was done is done: {error}"));
        return ExitCode::FAILURE;
    }
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

async fn execute(arguments: &Arguments, output: &Output) -> Result<bool, CliError> {
    if let Some(reason) = arguments.refused() {
        return Err(CliError::Usage(reason));
    }
    if let Command::Rulebook { command: RulebookCommand::Check { file } } = &arguments.command {
        return commands::rulebook::check(file, output);
    }
    if let Command::Rulebook { command: RulebookCommand::Explain { file, line, amount, on, at } } = &arguments.command {
        let sale = commands::rulebook::Sale { line, amount, day: *on, time: *at };
        return commands::rulebook::explain(file, &sale, output);
    }
    match &arguments.command {
        Command::Completions { shell } => {
            commands::shell::completions(*shell, output);
            return Ok(true);
        }
        Command::Manual => return commands::shell::manual(output).map(|()| true),
        _ => {}
    }
    if let Command::Demo = arguments.command {
        output.line("Interline: two months of a public retail panel, recorded, cleared and reported.");
    }
    let world = World::open(arguments).await?;
    let result = match &arguments.command {
        Command::Demo => commands::demo(&world, output).await,
        Command::Import { files, strict } => commands::import(&world, arguments, files, *strict, output).await,
        Command::Close { period, trial, empty, remark, accept, sign } => {
            let judgement = commands::judgement(remark.as_deref(), accept)?;
            let how = commands::How { trial: *trial, empty: *empty, judgement, sign: sign.as_deref() };
            commands::close(&world, *period, how, output).await
        }
        Command::Reports { period, out, open } => {
            commands::reports(&world, *period, out.as_deref(), *open, output).await
        }
        Command::Details { period, funder, redeemer, out } => {
            commands::details(&world, *period, (funder, redeemer), out.as_deref(), output).await
        }
        Command::Payments { command: PaymentsCommand::List { period } } => {
            commands::payments::list(&world, *period, output).await
        }
        Command::Payments { command: PaymentsCommand::Confirm { period, paid_on, statements } } => {
            commands::payments::confirm(&world, *period, *paid_on, statements, output).await
        }
        Command::Liability { period } => commands::liability(&world, *period, output).await,
        Command::Verify { period, public_key } => {
            commands::verify(&world, *period, public_key.as_deref(), output).await
        }
        Command::Member { member, on } => commands::member(&world, member, *on, output).await,
        Command::Accounts { command: AccountsCommand::Check } => commands::accounts::check(&world, output).await,
        Command::Accounts { command: AccountsCommand::Rebuild { dry_run } } => {
            commands::accounts::rebuild(&world, *dry_run, output).await
        }
        Command::Status => commands::status(&world, output).await,
        Command::Doctor => commands::doctor(&world, output).await,
        Command::Export { period, out } => commands::export(&world, *period, out.as_deref(), output).await,
        Command::Completions { .. }
        | Command::Manual
        | Command::Rulebook { command: RulebookCommand::Check { .. } | RulebookCommand::Explain { .. } } => Ok(true),
        Command::Rulebook { command: RulebookCommand::History } => commands::rulebook::history(&world, output).await,
        Command::Serve { port, host, .. } => commands::serve(&world, *host, *port, output).await,
        Command::Rulebook { command: RulebookCommand::Publish { file, retroactive, yes } } => {
            let asks = arguments.aws && !yes;
            commands::rulebook::publish(&world, file, retroactive.as_deref(), asks, output).await
        }
    };
    world.close().await;
    result
}
