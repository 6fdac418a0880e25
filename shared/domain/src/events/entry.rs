//! Commands (what a line asks for) and entries (what the ledger holds for good).

use super::EntryKind;
use super::canonical::Canonical;
use super::field::{Field, Origin, Said};
use super::taxes::Taxes;
use super::{Action, Event};
use crate::legs::{Leg, OwedLeg, RatingError};
use crate::terms::rulebook::Rulebook;
use crate::units::calendar::Period;
use crate::units::id::{LineId, MemberId, Reference, TaxCode};
use crate::units::money::{Money, Points};
use crate::units::scope::Scope;
use chrono::{DateTime, FixedOffset, Utc};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// What every event has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub line: LineId,
    pub reference: Reference,
    pub member: MemberId,
    pub occurred_at: DateTime<FixedOffset>,
}

impl Head {
    pub fn occurred(&self) -> DateTime<Utc> {
        self.occurred_at.to_utc()
    }
}

/// One event as its line reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub head: Head,
    pub action: Action,
}

/// One business event in the ledger. It never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub head: Head,
    pub scope: Scope,
    /// The period of the event's own time.
    pub home: Period,
    /// The period that clears it: its home, or a later one if it came late.
    pub booked: Period,
    pub event: Event,
}

/// The fields in which events are compared.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fields {
    pub amount: Option<Money>,
    pub points: Option<Points>,
    pub reverses: Option<Origin>,
    /// Of an amount.
    pub taxes: Option<Taxes>,
    /// Of what points paid for.
    pub tax: Option<TaxCode>,
}

impl Said for Fields {
    fn amount(&mut self, _field: &'static Field, amount: Money) {
        self.amount = Some(amount);
    }

    fn points(&mut self, _field: &'static Field, points: Points) {
        self.points = Some(points);
    }

    fn origin(&mut self, _field: &'static Field, origin: &Origin) {
        self.reverses = Some(origin.clone());
    }

    fn taxes(&mut self, _field: &'static Field, taxes: &Taxes) {
        self.taxes = Some(taxes.clone());
    }

    fn tax_code(&mut self, _field: &'static Field, code: &TaxCode) {
        self.tax = Some(code.clone());
    }
}

impl Command {
    pub fn kind(&self) -> EntryKind {
        self.action.kind()
    }

    pub fn occurred(&self) -> DateTime<Utc> {
        self.head.occurred()
    }

    pub fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        self.action.say(&mut fields);
        fields
    }

    /// SHA-256 over everything the caller said. The moment counts, not the
    /// offset it was written with.
    pub fn fingerprint(&self) -> [u8; 32] {
        fingerprint(&self.head, self.kind(), &self.fields())
    }

    /// The first field in which a repeated event differs from the recorded one.
    pub fn differing_field(&self, recorded: &Entry) -> Option<&'static str> {
        let (own, others) = (self.fields(), recorded.fields());
        let differences = [
            ("member", self.head.member != recorded.head.member),
            ("occurred_at", self.occurred() != recorded.head.occurred()),
            ("reverses", own.reverses != others.reverses),
            ("amount", own.amount != others.amount),
            ("points", own.points != others.points),
            ("tax", own.taxes != others.taxes || own.tax != others.tax),
        ];
        differences.into_iter().find(|(_, differs)| *differs).map(|(field, _)| field)
    }
}

fn fingerprint(head: &Head, kind: EntryKind, fields: &Fields) -> [u8; 32] {
    let mut text = Canonical::default();
    write_command(&mut text, head, kind, fields);
    Sha256::digest(text.as_str()).into()
}

fn write_command(text: &mut Canonical, head: &Head, kind: EntryKind, fields: &Fields) {
    text.push("1");
    for name in [head.line.as_str(), kind.word(), head.reference.as_str(), head.member.as_str()] {
        text.push("|");
        text.push(name);
    }
    text.push("|");
    text.moment(head.occurred());
    text.push("|");
    text.number(fields.amount.map_or(0, Money::minor));
    text.push("|");
    text.number(fields.points.map_or(0, Points::get));
    text.push("|");
    if let Some(origin) = &fields.reverses {
        // Writing to memory cannot fail.
        let _ = write!(text, "{origin}");
    }
    if let Some(taxes) = &fields.taxes {
        let _ = write!(text, "|{taxes}");
    }
    if let Some(code) = &fields.tax {
        let _ = write!(text, "|{code}");
    }
}

impl Entry {
    pub fn kind(&self) -> EntryKind {
        self.event.kind()
    }

    pub fn is_late(&self) -> bool {
        self.booked != self.home
    }

    /// What its caller said of it.
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        self.event.say(&mut fields);
        fields
    }

    /// As its line reported it.
    pub fn command(&self) -> Command {
        Command { head: self.head.clone(), action: self.event.action() }
    }

    /// That of its command.
    pub fn fingerprint(&self) -> [u8; 32] {
        fingerprint(&self.head, self.kind(), &self.fields())
    }

    /// `line#kind#reference`, as reports name an entry.
    pub fn name(&self) -> String {
        let Head { line, reference, .. } = &self.head;
        format!("{line}#{}#{reference}{}", self.kind(), self.scope)
    }

    /// What it means to everything behind the ledger.
    pub fn legs<'a>(&'a self, rulebook: &'a Rulebook) -> Result<Vec<Leg<'a>>, RatingError> {
        let mut legs = Vec::new();
        self.event.legs(&self.head, rulebook, &mut |leg| {
            legs.push(leg);
            Ok(())
        })?;
        Ok(legs)
    }

    /// What it makes lines owe each other, and themselves.
    pub fn owed<'a>(&'a self, rulebook: &'a Rulebook) -> Result<Vec<OwedLeg<'a>>, RatingError> {
        let owed = self.legs(rulebook)?.into_iter().filter_map(|leg| match leg {
            Leg::Owed(owed) => Some(owed),
            Leg::Claims(_) | Leg::Issue(_) | Leg::Repaid(..) | Leg::Awarded(_) => None,
        });
        Ok(owed.collect())
    }

    /// The text whose SHA-256 stands for the entry in a shard's digest. It holds
    /// what was decided and nothing of when or where it was recorded.
    pub fn canonical<'t>(&self, text: &'t mut Canonical) -> &'t str {
        text.clear();
        write_command(text, &self.head, self.kind(), &self.fields());
        text.push("|");
        text.period(self.booked);
        if self.scope != Scope::Line {
            let _ = write!(text, "{}", self.scope);
        }
        self.event.write_canonical(text);
        text.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{GiveBack, Grant, Refund, RefundedTaxes};
    use crate::units::moment::parse_occurred_at;

    fn origin(reference: &str) -> Origin {
        Origin { kind: EntryKind::Accrual, reference: Reference::parse(reference).unwrap(), on: None }
    }

    fn reversal() -> Command {
        Command {
            head: Head {
                line: LineId::parse("mall").unwrap(),
                reference: Reference::parse("V-1").unwrap(),
                member: MemberId::parse("M1").unwrap(),
                occurred_at: parse_occurred_at("2017-01-31T18:05:09+08:00").unwrap(),
            },
            action: Action::Refund(Refund::of(origin("S-1"), Some(Money::from_minor(1250)))),
        }
    }

    #[test]
    fn a_stored_fingerprint_keeps_its_value() {
        // sha256sum of "1|mall|reversal|V-1|M1|2017-01-31T10:05:09Z|1250|0|accrual:S-1".
        let hex: String = reversal().fingerprint().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "297d570ff22fc74bb87a587670c955c28d9fe78c74302f35252d9741a87392a5");
        let mut otherwise_written = reversal();
        otherwise_written.head.occurred_at = parse_occurred_at("2017-01-31T10:05:09.000Z").unwrap();
        assert_eq!(otherwise_written.fingerprint(), reversal().fingerprint());
    }

    #[test]
    fn the_field_in_which_a_repeated_event_differs_is_named() {
        let recorded = |command: Command| {
            let withdrawal = crate::events::Withdrawal::none(command.occurred());
            let Action::Refund(asked) = command.action else { unreachable!() };
            let fact = crate::events::Refunded {
                sale: Money::ZERO,
                amount: Money::ZERO,
                before: Money::ZERO,
                taxes: RefundedTaxes::default(),
                withdrawal,
            };
            let home = Period::parse("2017-01").unwrap();
            let event = Event::Refund(crate::events::Did { asked, fact });
            Entry { head: command.head, scope: Scope::Line, home, booked: home, event }
        };
        let recorded = recorded(reversal());
        assert_eq!(recorded.command(), reversal());
        assert_eq!(recorded.fingerprint(), reversal().fingerprint());
        let other = |change: fn(&mut Command)| {
            let mut command = reversal();
            change(&mut command);
            command.differing_field(&recorded)
        };
        assert_eq!(other(|_| {}), None);
        assert_eq!(other(|command| command.head.member = MemberId::parse("M2").unwrap()), Some("member"));
        let later =
            |command: &mut Command| command.head.occurred_at = parse_occurred_at("2017-01-31T18:05:10+08:00").unwrap();
        assert_eq!(other(later), Some("occurred_at"));
        let said = |action: Action| Command { action, ..reversal() }.differing_field(&recorded);
        let amount = Some(Money::from_minor(1250));
        assert_eq!(said(Action::Refund(Refund::of(origin("S-2"), amount))), Some("reverses"));
        assert_eq!(said(Action::Refund(Refund::of(origin("S-1"), None))), Some("amount"));
        assert_eq!(said(Action::GiveBack(GiveBack { origin: origin("S-1"), points: None })), Some("amount"));
        assert_eq!(said(Action::Grant(Grant { points: Points::new(1) })), Some("reverses"));
    }
}
