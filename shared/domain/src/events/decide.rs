//! Decides what an event does to a member's account, or why it is refused.

use super::entry::{Command, Entry};
use super::kind::{At, Reversed, Target};
use super::refusal::Refusal;
use crate::claims::account::Account;
use crate::terms::rulebook::Rulebook;
use crate::units::calendar::Period;
use crate::units::limits::FUTURE_TOLERANCE_MINUTES;
use crate::units::money::OutOfRange;
use chrono::{DateTime, TimeDelta, Utc};

/// What is to be written, all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub entry: Entry,
    /// The account after the entry.
    pub account: Account,
    /// For a reversal: the new total of what is reversed of its target.
    pub reversed: Option<Reversed>,
}

/// Refuses an event whose line or time cannot be, before anything is read.
pub fn check(rulebook: &Rulebook, command: &Command, now: DateTime<Utc>) -> Result<(), Refusal> {
    let head = &command.head;
    let Some(line) = rulebook.line(&head.line) else {
        return Err(Refusal::UnknownLine(head.line.clone()));
    };
    if head.member.looks_like_a_phone_number() && !rulebook.allow_phone_members {
        return Err(Refusal::PhoneLikeMember);
    }
    if head.occurred() > now + TimeDelta::minutes(FUTURE_TOLERANCE_MINUTES) {
        return Err(Refusal::InTheFuture);
    }
    if rulebook.period(head.occurred()) < rulebook.first_period {
        return Err(Refusal::BeforeProgramme(rulebook.first_period));
    }
    let day = rulebook.day(head.occurred());
    // What a line sold is refunded after its last day, too.
    let is_late_refund = command.action.origin().is_some() && day >= line.first_day;
    if !line.takes_part(day) && !is_late_refund {
        return Err(Refusal::LineNotActive { line: line.id.clone(), day });
    }
    Ok(())
}

/// Plans an event on the account as it was read. `booked` is the period that
/// will clear it, `target` what a reversal takes back.
pub fn plan(
    rulebook: &Rulebook,
    account: &Account,
    command: &Command,
    booked: Period,
    target: Option<Target<'_>>,
) -> Result<Plan, Refusal> {
    let Command { head, action } = command;
    let mut account = account.clone();
    let day = rulebook.day(head.occurred());
    let home = rulebook.period(head.occurred());
    account.prune(home, rulebook.refund_months);
    let (event, reversed) = action.decide(&At { rulebook, head, day, booked, target }, &mut account)?;
    account.sequence = account.sequence.checked_add(1).ok_or(OutOfRange)?;
    let scope = rulebook.scope(&head.line, day);
    let entry = Entry { head: head.clone(), scope, home, booked, event };
    Ok(Plan { entry, account, reversed })
}
