use crate::CliError;
use crate::output::Output;
use crate::world::World;
use chrono::NaiveDate;
use interline_domain::claims::account::Account;
use interline_domain::claims::lot::Expiry;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::MemberId;
use interline_lambda::Failure;
use interline_prove::held_on;
use serde_json::json;

pub async fn member(
    world: &World,
    member: &MemberId,
    on: Option<NaiveDate>,
    output: &Output,
) -> Result<bool, CliError> {
    let published = world.app.rulebook().await?;
    let day = on.unwrap_or_else(|| published.rulebook.day(world.app.now()));
    let period = Period::of_day(day);
    let by_books = on.is_some() && world.app.ledger.period(period).await?.is_final();
    let account = match by_books {
        true => {
            let claims = held_on(&world.app, &published.rulebook, member, day).await?;
            Account { sequence: claims.entries, lots: claims.lots, debts: claims.debts, ..Account::default() }
        }
        false => world.app.ledger.account(member).await?,
    };
    if account.sequence == 0 {
        let when = if by_books { format!(" until {day}") } else { String::new() };
        return Err(CliError::Usage(format!("member {member} has no events{when}")));
    }
    let balance = account.balance(day).map_err(Failure::from)?;
    let source = if by_books { format!("by the books of {period}") } else { "by the account as it is".to_owned() };
    output.line(format!("{member}: {balance} points to spend on {day}, {source}"));
    let state = |expires: Expiry| if expires.is_before(day) { "expired" } else { "" };
    let rows: Vec<Vec<String>> = account
        .lots
        .iter()
        .map(|(cohort, points)| {
            vec![
                cohort.scheme.to_string(),
                cohort.issued.to_string(),
                cohort.expires.to_string(),
                points.to_string(),
                state(cohort.expires).to_owned(),
            ]
        })
        .collect();
    output.table(&["funder", "issued", "expires", ">points", ""], &rows);
    for (creditor, points) in &account.debts {
        output.line(format!("  owes {points} points to {creditor}, taken from what is earned next"));
    }
    let lots: Vec<_> = account
        .lots
        .iter()
        .map(|(cohort, points)| {
            json!({
                "funder": cohort.scheme, "issued": cohort.issued, "expires": cohort.expires, "points": points,
                "expired": cohort.expires.is_before(day),
            })
        })
        .collect();
    output.document(&json!({ "member": member, "on": day, "by_books": by_books, "balance": balance, "lots": lots, "debts": account.debts }));
    Ok(true)
}
