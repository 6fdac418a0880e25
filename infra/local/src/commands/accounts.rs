//! Accounts against their entries: compared, and written anew.

use crate::CliError;
use crate::output::Output;
use crate::world::World;
use interline_domain::units::limits::SHARDS;
use interline_lambda::Failure;
use interline_lambda::finished::FinishedRun;
use interline_prove::{Books, Found};
use serde_json::{Value, json};

/// The newest final run.
async fn closed(world: &World) -> Result<Option<FinishedRun<'_>>, Failure> {
    let app = &world.app;
    let newest =
        app.ledger.periods().await?.into_iter().rev().find_map(|state| Some((state.period, state.into_final_run()?)));
    match newest {
        Some((period, run)) => Ok(Some(FinishedRun::read(app, period, &run).await?)),
        None => Ok(None),
    }
}

/// Compares every account with its entries.
pub async fn check(world: &World, output: &Output) -> Result<bool, CliError> {
    let (closed, published) = (closed(world).await?, world.app.rulebook().await?);
    let bar = output.progress("accounts", u64::from(SHARDS));
    let (mut members, mut differing) = (0, Vec::new());
    for shard in 0..SHARDS {
        let books = Books::open(&world.app, closed.as_ref(), &published.rulebook, shard).await?;
        let (count, found) = books.check(&world.app.ledger).await?;
        members += count;
        differing.extend(found);
        bar.inc(1);
    }
    bar.finish_and_clear();
    print(&differing, output);
    output.line(match differing.len() {
        0 => format!("{members} accounts are what their entries give"),
        count => format!("{count} of {members} accounts are not what their entries give"),
    });
    output.document(&json!({ "members": members, "differing": differing.iter().map(document).collect::<Vec<_>>() }));
    Ok(differing.is_empty())
}

fn print(differing: &[Found], output: &Output) {
    for Found { member, differences } in differing {
        for difference in differences {
            let (what, account, entries) = (&difference.what, &difference.account, &difference.entries);
            output.line(format!("{member}: {what}: the account says {account}, its entries give {entries}"));
        }
    }
}

fn document(found: &Found) -> Value {
    json!({ "member": found.member, "differences": found.differences })
}

/// Writes the accounts anew that are not what their entries give.
pub async fn rebuild(world: &World, dry_run: bool, output: &Output) -> Result<bool, CliError> {
    let (closed, published) = (closed(world).await?, world.app.rulebook().await?);
    let ledger = &world.app.ledger;
    let (mut rebuilt, mut left) = (Vec::new(), Vec::new());
    for shard in 0..SHARDS {
        let books = Books::open(&world.app, closed.as_ref(), &published.rulebook, shard).await?;
        for found in books.check(ledger).await?.1 {
            print(std::slice::from_ref(&found), output);
            let account = books.rebuilt(ledger, &published.rulebook, &found.member).await?;
            let reason = match account.account {
                Err(reason) => Some(reason.to_string()),
                Ok(_) if dry_run => None,
                Ok(account_now) => {
                    let written = ledger.restore_account(&found.member, &account.read, &account_now).await?;
                    (!written).then(|| "it changed meanwhile; try again".to_owned())
                }
            };
            match reason {
                None => rebuilt.push(document(&found)),
                Some(reason) => {
                    output.line(format!("{}: is left as it is: {reason}", found.member));
                    left.push(json!({ "member": found.member, "reason": reason }));
                }
            }
        }
    }
    let done = if dry_run { "would be written anew" } else { "written anew" };
    output.line(format!("{} accounts {done}, {} left as they are", rebuilt.len(), left.len()));
    output.document(&json!({ "dry_run": dry_run, "rebuilt": rebuilt, "left": left }));
    Ok(left.is_empty())
}
