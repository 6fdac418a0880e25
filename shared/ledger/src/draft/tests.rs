//! Every case of an event, by what is known when it is drafted.

use super::*;
use chrono::{DateTime, TimeDelta};
use interline_domain::events::{Accrual, Action, Head, Origin, Redemption, Refund};
use interline_domain::units::currency::Currency;
use interline_domain::units::id::{LineId, Reference};
use interline_domain::units::scope::Scope;

const RULEBOOK: &str = include_str!("../../../domain/tests/golden/small.toml");
const NOW: &str = "2025-01-10T12:00:00+08:00";
const FILE: Source<'_> = Source::File { digest: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" };
const OTHER_FILE: Source<'_> =
    Source::File { digest: "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210" };
const API: Source<'_> = Source::Api(None);

fn now() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(NOW).unwrap().to_utc()
}

fn rulebook() -> Rulebook {
    Rulebook::parse(RULEBOOK).unwrap()
}

fn member() -> MemberId {
    MemberId::parse("anna").unwrap()
}

fn command(reference: &str, action: Action) -> Command {
    let head = Head {
        line: LineId::parse("shop").unwrap(),
        reference: Reference::parse(reference).unwrap(),
        member: member(),
        occurred_at: DateTime::parse_from_rfc3339(NOW).unwrap(),
    };
    Command { head, action }
}

/// Of 1,000.00, which earns 100 points.
fn sale(amount: &str) -> Command {
    command("S-1", Action::Accrual(Accrual::of(Currency::parse("CNY").unwrap().parse_money(amount).unwrap())))
}

fn redemption(points: i64) -> Command {
    command("R-1", Action::Redemption(Redemption::of(Points::new(points), None)))
}

fn refund() -> Command {
    let origin = Origin { kind: EntryKind::Accrual, reference: Reference::parse("S-1").unwrap(), on: None };
    command("X-1", Action::Refund(Refund::of(origin, None)))
}

fn key(kind: EntryKind, reference: &str) -> Key {
    let (line, reference) = (LineId::parse("shop").unwrap(), Reference::parse(reference).unwrap());
    keys::reference(&Name { line, kind, reference, scope: Scope::Line })
}

fn draft<'a>(rulebook: &'a Rulebook, source: Source<'a>) -> Draft<'a> {
    let booked = rulebook.period(now());
    Draft::new(Terms { rulebook, source, now: now(), booked }, Account::default())
}

/// The sale as it was recorded.
fn recorded(rulebook: &Rulebook) -> Recorded {
    match draft(rulebook, API).step(&sale("1000.00"), &Looked::new()) {
        Step::Write(Change::Accept(accepted)) => accepted.recorded,
        other => panic!("{other:?}"),
    }
}

/// What the reference of an event is known for.
enum Is {
    Unasked,
    Nothing,
    /// The sale of 1,000.00.
    Recorded,
    RefusedIn(Source<'static>),
}

impl Is {
    fn looked(self, rulebook: &Rulebook, key: Key) -> Looked {
        let found = match self {
            Is::Unasked => return Looked::new(),
            Is::Nothing => None,
            Is::Recorded => Some(Found::Entry(Box::new(recorded(rulebook)), Reversed::default())),
            Is::RefusedIn(source) => Some(Found::Refusals(refusals(source))),
        };
        Looked::from([(key, found)])
    }
}

fn refusals(source: Source<'_>) -> Refusals {
    Refusals::from([(source.file().unwrap().to_owned(), RememberedRefusal::of(&not_enough()))])
}

fn not_enough() -> Refusal {
    Refusal::InsufficientPoints { available: Points::new(0), requested: Points::new(30) }
}

/// In a word or two, what comes next.
fn told(step: &Step) -> String {
    match step {
        Step::Reply(Answer::Accepted(_)) => "accepted without a word written".to_owned(),
        Step::Reply(Answer::Replayed(_)) => "replay".to_owned(),
        Step::Reply(Answer::Rejected(Rejection::Refused(refusal))) => format!("refuse: {}", refusal.code()),
        Step::Reply(Answer::Rejected(Rejection::RefusedBefore(before))) => {
            format!("refused before: {}", before.rule.row().code)
        }
        Step::Reply(Answer::Rejected(Rejection::Conflict(field))) => format!("conflict: {field}"),
        Step::LookUp(LookUp::Reference(_)) => "look up the reference".to_owned(),
        Step::LookUp(LookUp::Target(_)) => "look up the target".to_owned(),
        Step::LookUp(LookUp::Rulebook(hash)) => format!("look up the rulebook {hash}"),
        Step::Write(Change::Accept(accepted)) => format!("write, {}", replaced(&accepted.condition)),
        Step::Write(Change::Remember { condition, refusals, .. }) => {
            format!("remember {} refusals, {}", refusals.len(), replaced(condition))
        }
    }
}

fn replaced(condition: &Condition) -> &'static str {
    match condition {
        Condition::Absent => "if nothing is there",
        Condition::Equals(..) => "if that is there still",
        Condition::None => "whatever is there",
    }
}

#[test]
fn an_event_is_answered_looked_up_or_written_by_what_is_known_of_it() {
    let rulebook = rulebook();
    let late = || {
        let mut command = sale("1000.00");
        command.head.occurred_at += TimeDelta::days(1);
        command
    };
    for (says, command, is, source, expected) in [
        ("new", sale("1000.00"), Is::Unasked, API, "write, if nothing is there"),
        ("looked for and not there", sale("1000.00"), Is::Nothing, API, "write, if nothing is there"),
        ("recorded with the same content", sale("1000.00"), Is::Recorded, API, "replay"),
        ("recorded with another amount", sale("20.00"), Is::Recorded, FILE, "conflict: amount"),
        ("refused in another file", sale("1000.00"), Is::RefusedIn(OTHER_FILE), FILE, "write, if that is there still"),
        ("refused in a file, then called", sale("1000.00"), Is::RefusedIn(FILE), API, "write, if that is there still"),
        ("refused in this file", redemption(30), Is::RefusedIn(FILE), FILE, "refused before: insufficient-points"),
        ("refused by the clock, not looked up", late(), Is::Unasked, API, "look up the reference"),
        ("refused by the clock, not there", late(), Is::Nothing, FILE, "refuse: in-the-future"),
        ("refused by the clock, and in a file before", late(), Is::RefusedIn(FILE), FILE, "refuse: in-the-future"),
        ("refused by the account, not looked up", redemption(30), Is::Unasked, FILE, "look up the reference"),
        ("refused by the account, of a call", redemption(30), Is::Nothing, API, "refuse: insufficient-points"),
        (
            "refused by the account, of a file",
            redemption(30),
            Is::Nothing,
            FILE,
            "remember 1 refusals, if nothing is there",
        ),
        (
            "refused by the account in two files",
            redemption(30),
            Is::RefusedIn(OTHER_FILE),
            FILE,
            "remember 2 refusals, if that is there still",
        ),
        ("a reversal whose target nobody read", refund(), Is::Unasked, API, "look up the target"),
    ] {
        let (kind, reference) = (command.kind(), command.head.reference.to_string());
        let looked = is.looked(&rulebook, key(kind, &reference));
        assert_eq!(told(&draft(&rulebook, source).step(&command, &looked)), expected, "{says}");
    }
}

#[test]
fn what_does_not_depend_on_the_account_is_not_remembered() {
    let rulebook = rulebook();
    let mut at_the_group = redemption(30);
    at_the_group.head.line = LineId::parse("hq").unwrap();
    let name = items::name(&at_the_group, Scope::Line);
    let looked = Is::Nothing.looked(&rulebook, keys::reference(&name));
    assert_eq!(told(&draft(&rulebook, FILE).step(&at_the_group, &looked)), "refuse: no-burn-rule");
}

#[test]
fn a_reversal_is_planned_with_its_target_and_the_rulebook_that_decided_it() {
    let rulebook = rulebook();
    let (target, own) = (key(EntryKind::Accrual, "S-1"), key(EntryKind::Reversal, "X-1"));
    let sold = recorded(&rulebook);
    let found = |recorded: Recorded| Some(Found::Entry(Box::new(recorded), Reversed::default()));
    let account = Account { sequence: 1, ..Account::default() };
    let begun = || {
        let booked = rulebook.period(now());
        Draft::new(Terms { rulebook: &rulebook, source: API, now: now(), booked }, account.clone())
    };

    let mut draft = begun();
    draft.found_target(target.clone(), None);
    assert_eq!(told(&draft.step(&refund(), &Looked::new())), "look up the reference");
    let looked = Looked::from([(own.clone(), None)]);
    assert_eq!(told(&draft.step(&refund(), &looked)), "refuse: target-not-found");

    let mut draft = begun();
    draft.found_target(target.clone(), found(sold.clone()));
    assert_eq!(told(&draft.step(&refund(), &Looked::new())), "write, if nothing is there");

    let mut draft = begun();
    draft.found_target(target, found(Recorded { rulebook: "another".to_owned(), ..sold }));
    assert_eq!(told(&draft.step(&refund(), &Looked::new())), "look up the rulebook another");
    draft.found_rulebook("another".to_owned(), Arc::new(self::rulebook()));
    assert_eq!(told(&draft.step(&refund(), &Looked::new())), "write, if nothing is there");
}

#[test]
fn what_was_taken_in_is_known_to_the_events_behind_it() {
    let rulebook = rulebook();
    let mut draft = draft(&rulebook, FILE);
    let nothing = Looked::from([(key(EntryKind::Redemption, "R-1"), None)]);
    let mut post = |command: &Command| {
        let step = draft.step(command, &nothing);
        let told = told(&step);
        if let Step::Write(change) = step {
            draft.take(change);
        }
        told
    };
    for (command, expected) in [
        (redemption(30), "remember 1 refusals, if nothing is there"),
        (sale("1000.00"), "write, if nothing is there"),
        // The same row of the same file has had its answer.
        (redemption(30), "refused before: insufficient-points"),
        (sale("1000.00"), "replay"),
        (sale("20.00"), "conflict: amount"),
        // Its target is of this very transaction.
        (refund(), "write, if nothing is there"),
    ] {
        assert_eq!(post(&command), expected, "{command:?}");
    }
    let Writes { writes, claims, recorded, clears } = draft.writes(&member()).unwrap();
    // Two entries and three references, and the account.
    assert_eq!((writes.len(), claims.iter().flatten().count(), recorded.len(), clears), (6, 5, 2, true));
}

#[test]
fn a_reply_writes_nothing_and_a_refusal_clears_nothing() {
    let rulebook = rulebook();
    let mut draft = draft(&rulebook, FILE);
    assert!(draft.writes(&member()).unwrap().writes.is_empty());
    let looked = Is::Nothing.looked(&rulebook, key(EntryKind::Redemption, "R-1"));
    let Step::Write(change) = draft.step(&redemption(30), &looked) else { panic!("it is remembered") };
    draft.take(change);
    let Writes { writes, clears, .. } = draft.writes(&member()).unwrap();
    assert_eq!((writes.len(), clears), (1, false));
}
