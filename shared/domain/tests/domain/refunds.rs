//! Refunds as data: what each takes from whom, and what stays owed.

use crate::reverse::reverse;
use crate::support::*;
use chrono::NaiveDate;
use interline_domain::claims::account::{Account, Repayment};
use interline_domain::claims::lot::Slice;
use interline_domain::events::quote::{Wish, quote};
use interline_domain::events::{Accrual, Action, Entry, EntryKind, Grant, Redemption, Reversed, Target, Withdrawal};
use interline_domain::terms::rulebook::Rulebook;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rulebook: String,
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    says: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// `kind line reference [kind:reference] [amount or points]`
    does: String,
    on: String,
    balance: i64,
    #[serde(default)]
    debts: BTreeMap<String, i64>,
    #[serde(default)]
    taken: String,
    #[serde(default)]
    gone: String,
    #[serde(default)]
    spent: String,
    #[serde(default)]
    repaid: String,
    /// `payer>payee amount`, of all steps so far.
    #[serde(default)]
    owed: String,
    refused: Option<String>,
}

#[derive(Default)]
struct Member {
    account: Account,
    entries: Vec<(Entry, Reversed)>,
}

impl Member {
    /// The code of the refusal, if it is refused.
    fn step(&mut self, rulebook: &Rulebook, step: &Step) -> Option<&'static str> {
        let mut words = step.does.split(' ');
        let kind = EntryKind::from_word(words.next().unwrap()).unwrap();
        let (at_line, name) = (words.next().unwrap(), words.next().unwrap());
        let mut target = None;
        let action = match kind {
            EntryKind::Accrual => Action::Accrual(Accrual::of(money(words.next().unwrap()))),
            EntryKind::Redemption => Action::Redemption(Redemption::of(whole(words.next().unwrap()), None)),
            EntryKind::Adjustment => Action::Grant(Grant { points: whole(words.next().unwrap()) }),
            EntryKind::Reversal => {
                let (word, of) = words.next().unwrap().split_once(':').unwrap();
                let is_meant = |(entry, _): &(Entry, Reversed)| entry.head.reference.as_str() == of;
                target = self.entries.iter().position(is_meant);
                let kind = EntryKind::from_word(word).unwrap();
                let part = words.next();
                reverse(
                    kind,
                    reference(of),
                    None,
                    part.filter(|_| kind == EntryKind::Accrual).map(money),
                    part.filter(|_| kind != EntryKind::Accrual).map(whole),
                )
            }
        };
        assert_eq!(words.next(), None, "{}", step.does);
        let command = command(at_line, name, &format!("{}T12:00:00+08:00", step.on), action);
        let found = target.map(|at| {
            let (entry, reversed) = &self.entries[at];
            Target { entry, reversed, rulebook }
        });
        let plan = match plan_in_time(rulebook, &self.account, &command, found) {
            Ok(plan) => plan,
            Err(refusal) => return Some(refusal.code()),
        };
        if let (Some(at), Some(reversed)) = (target, plan.reversed) {
            self.entries[at].1 = reversed;
        }
        self.account = plan.account;
        self.entries.push((plan.entry, Reversed::default()));
        None
    }

    fn owed_between_lines(&self, rulebook: &Rulebook) -> BTreeMap<String, String> {
        let entries: Vec<&Entry> = self.entries.iter().map(|(entry, _)| entry).collect();
        let mut owed = obligations_of(&tally(rulebook, entries.iter().copied()));
        owed.retain(|_, amount| amount != "0.00");
        owed
    }
}

fn whole(text: &str) -> interline_domain::units::money::Points {
    points(text.parse().unwrap())
}

fn slices(slices: &[Slice]) -> String {
    let texts: Vec<String> = slices.iter().map(|slice| format!("{} {}", slice.cohort.scheme, slice.points)).collect();
    texts.join(", ")
}

fn repayments(repaid: &[Repayment]) -> String {
    let text = |repayment: &Repayment| {
        let Slice { cohort, points } = &repayment.paid;
        format!("{} pays {} {points}", cohort.scheme, repayment.creditor)
    };
    repaid.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    let pair = |text: &str| text.split_once(' ').map(|(pair, amount)| (pair.to_owned(), amount.to_owned())).unwrap();
    text.split_terminator(", ").map(pair).collect()
}

#[test]
fn a_refund_takes_by_funder_repays_at_once_what_was_spent_and_leaves_only_the_rest_as_a_debt() {
    let file: File = toml::from_str(include_str!("../golden/refunds.toml")).unwrap();
    let rulebook = rulebook(&file.rulebook);
    for case in &file.case {
        let mut member = Member::default();
        for step in &case.steps {
            let says = format!("{}: {}", case.says, step.does);
            assert_eq!(member.step(&rulebook, step), step.refused.as_deref(), "{says}");
            if step.refused.is_none() {
                let (entry, _) = member.entries.last().unwrap();
                let found = withdrawal(entry).map(|Withdrawal { taken, gone, owed, repaid, .. }| {
                    [slices(taken), slices(gone), slices(owed), repayments(repaid)]
                });
                let found = found.unwrap_or_default();
                let expected = [&step.taken, &step.gone, &step.spent, &step.repaid].map(String::clone);
                assert_eq!(found, expected, "{says}: taken, gone, spent, repaid");
            }
            let day: NaiveDate = day(&step.on);
            let balance = member.account.balance(day).unwrap();
            assert_eq!(balance, points(step.balance), "{says}: balance");
            let most = quote(&rulebook, &member.account, &line("inn"), None, Wish::Most, day).unwrap().most;
            assert_eq!(most, balance, "{says}: what a quote offers");
            let debts: BTreeMap<String, i64> =
                member.account.debts.iter().map(|(to, points)| (to.to_string(), points.get())).collect();
            assert_eq!(debts, step.debts, "{says}: debts");
            assert_eq!(member.owed_between_lines(&rulebook), pairs(&step.owed), "{says}: owed between lines");
        }
    }
}
