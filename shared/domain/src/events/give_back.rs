//! Points given back that were spent.

use super::EntryKind;
use super::Event;
use super::canonical::Canonical;
use super::entry::Head;
use super::field::{Field, Fields, Origin, POINTS, REVERSES, Said};
use super::kind::{At, Balances, Did, Kind, Reversed, Show};
use super::redemption::Redemption;
use super::refusal::Refusal;
use super::stored::{
    BEFORE, Broken, Load, Loaded, ORIGINAL_AT, ORIGINAL_TAX, ORIGINAL_VALUE, REPAID, RETURNED, SLICES, Store, VALUE,
};
use super::withdrawal::{Original, part_of_points, read_by_points, say_by_points};
use crate::claims::account::{Account, Repayment};
use crate::claims::slices::{from_the_end, value_returned};
use crate::legs::ControlKind;
use crate::legs::{self, Leg, Legs, RatingError};
use crate::terms::rulebook::Rulebook;
use crate::units::calendar::Period;
use crate::units::id::{LineId, TaxCode};
use crate::units::moment::rfc3339_utc;
use crate::units::money::{Money, OutOfRange, Points};
use chrono::NaiveDate;
use std::fmt::Write;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiveBack {
    pub origin: Origin,
    /// Without a number, whatever is left.
    pub points: Option<Points>,
}

/// Points given back to the lots they came from, last slice first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    pub original: Original,
    /// What the member got for the original.
    pub original_value: Money,
    /// How it was taxed, where it said so.
    pub original_tax: Option<TaxCode>,
    /// Given back before.
    pub before: Points,
    pub points: Points,
    pub value: Money,
    pub repaid: Vec<Repayment>,
}

impl Kind for GiveBack {
    const WORD: EntryKind = EntryKind::Reversal;
    const REVERSES: Option<EntryKind> = Some(EntryKind::Redemption);
    const CONTROL: ControlKind = ControlKind::Return;
    const FIELDS: &'static [Field] = &[REVERSES, POINTS];
    const STORED: &'static [&'static str] =
        &[SLICES, ORIGINAL_AT, ORIGINAL_VALUE, ORIGINAL_TAX, BEFORE, RETURNED, VALUE, REPAID];
    type Fact = Returned;

    fn read<F: Fields>(from: &F) -> Result<Self, F::Error> {
        let (origin, points) = read_by_points(from)?;
        Ok(Self { origin, points })
    }

    fn say(&self, said: &mut dyn Said) {
        say_by_points(said, &self.origin, self.points);
    }

    fn origin(&self) -> Option<&Origin> {
        Some(&self.origin)
    }

    fn decide(&self, at: &At<'_>, account: &mut Account) -> Result<(Returned, Option<Reversed>), Refusal> {
        let target = at.target(&self.origin)?;
        let Event::Redemption(did) = &target.entry.event else {
            return Err(Refusal::NotReversible(target.entry.kind()));
        };
        let (spent, before) = (&did.fact, target.reversed.points);
        let points = part_of_points(Redemption::points(did)?, before, self.points)?;
        let mut repaid = Vec::new();
        for slice in from_the_end(&spent.slices, before, points)? {
            repaid.extend(account.credit(&slice, at.day)?);
        }
        let head = &target.entry.head;
        uncount(account, &head.line, at.rulebook.day(head.occurred()), points)?;
        account.returned_in = account.returned_in.max(Some(at.booked));
        let value = value_returned(spent.value, &spent.slices, before, points)?;
        let original = Original { at: head.occurred(), slices: spent.slices.clone() };
        let reversed = Reversed { points: before.plus(points)?, ..target.reversed.clone() };
        let (original_value, original_tax) = (spent.value, did.asked.tax.clone());
        Ok((Returned { original, original_value, original_tax, before, points, value, repaid }, Some(reversed)))
    }

    fn store(fact: &Returned, to: &mut dyn Store) {
        to.slices(SLICES, &fact.original.slices);
        to.moment(ORIGINAL_AT, fact.original.at);
        to.money(ORIGINAL_VALUE, fact.original_value);
        if let Some(code) = &fact.original_tax {
            to.text(ORIGINAL_TAX, code.to_string());
        }
        to.points(BEFORE, fact.before);
        to.points(RETURNED, fact.points);
        to.money(VALUE, fact.value);
        to.repaid(&fact.repaid);
    }

    fn load<L: Load>(from: &L) -> Result<Returned, Broken> {
        let from = Loaded(from);
        Ok(Returned {
            original: Original { at: from.moment(ORIGINAL_AT)?, slices: from.slices(SLICES)? },
            original_value: from.money(ORIGINAL_VALUE)?,
            original_tax: from.tax_code(ORIGINAL_TAX)?,
            before: from.points(BEFORE)?,
            points: from.points(RETURNED)?,
            value: from.money(VALUE)?,
            repaid: from.repaid()?,
        })
    }

    fn write_canonical(fact: &Returned, text: &mut Canonical) {
        text.slices("returned", &fact.original.slices);
        let at = rfc3339_utc(fact.original.at);
        let (original, value) = (fact.original_value.minor(), fact.value.minor());
        // Writing to a String cannot fail.
        let _ = write!(text, "|{at}|{original}|{}|{}|{value}", fact.before, fact.points);
        if let Some(code) = &fact.original_tax {
            let _ = write!(text, "|{code}");
        }
        text.repaid(&fact.repaid);
    }

    fn points(did: &Did<Self>) -> Result<Points, OutOfRange> {
        Ok(did.fact.points)
    }

    fn legs<'a>(
        did: &'a Did<Self>,
        head: &'a Head,
        rulebook: &'a Rulebook,
        legs: &mut Legs<'_, 'a>,
    ) -> Result<(), RatingError> {
        let Returned { original, original_value, original_tax, before, points, repaid, .. } = &did.fact;
        let day = rulebook.day(original.at);
        let whole =
            legs::redemption(rulebook, &head.line, (day, original_tax.as_ref()), *original_value, &original.slices)?;
        legs::returned(whole, *before, *points)?.into_iter().map(Leg::Owed).try_for_each(&mut *legs)?;
        legs::repaid(legs, rulebook, head.occurred(), repaid)
    }

    fn moves(fact: &Returned, balances: &mut dyn Balances) -> Result<(), OutOfRange> {
        balances.gain(&from_the_end(&fact.original.slices, fact.before, fact.points)?)?;
        balances.pay(&fact.repaid)
    }

    fn show(fact: &Returned, to: &mut dyn Show) -> Result<(), OutOfRange> {
        to.slices("slices", &from_the_end(&fact.original.slices, fact.before, fact.points)?);
        to.money("value", fact.value);
        to.repaid("debts_repaid", &fact.repaid);
        Ok(())
    }

    fn recount(
        did: &Did<Self>,
        head: &Head,
        booked: Period,
        rulebook: &Rulebook,
        account: &mut Account,
    ) -> Result<(), OutOfRange> {
        account.returned_in = account.returned_in.max(Some(booked));
        uncount(account, &head.line, rulebook.day(did.fact.original.at), did.fact.points)
    }
}

/// What is given back may be redeemed again on the day it was.
fn uncount(account: &mut Account, line: &LineId, day: NaiveDate, points: Points) -> Result<(), OutOfRange> {
    if let Some(redeemed) = account.redeemed.get_mut(&(line.clone(), day)) {
        *redeemed = redeemed.minus(points.min(*redeemed))?;
    }
    Ok(())
}
