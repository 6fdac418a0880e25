//! Points spent.

use super::EntryKind;
use super::canonical::Canonical;
use super::entry::Head;
use super::field::{BILL, Field, Fields, POINTS, Said, TAX};
use super::kind::{At, Balances, Did, Kind, Reversed, Reversible, Show};
use super::refusal::Refusal;
use super::stored::{Broken, Load, Loaded, SLICES, Store, VALUE};
use crate::claims::account::Account;
use crate::claims::lot::Slice;
use crate::legs::ControlKind;
use crate::legs::{self, Leg, Legs, Paid, RatingError};
use crate::terms::rulebook::{BurnRule, Rulebook};
use crate::units::allocate::exact_value;
use crate::units::calendar::Period;
use crate::units::currency::Currency;
use crate::units::id::{LineId, SchemeId, TaxCode};
use crate::units::money::{Money, OutOfRange, Points, Rate};
use chrono::NaiveDate;
use std::fmt::Write;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redemption {
    pub points: Points,
    /// What the member buys with them and with money.
    pub bill: Option<Money>,
    /// How it is taxed; by the rules for the pair of lines if it does not say.
    pub tax: Option<TaxCode>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// What the member got for the points.
    pub value: Money,
    pub slices: Vec<Slice>,
}

impl Redemption {
    /// Taxed by the rules for the pair of lines.
    pub fn of(points: Points, bill: Option<Money>) -> Self {
        Self { points, bill, tax: None }
    }
}

impl Kind for Redemption {
    const WORD: EntryKind = EntryKind::Redemption;
    const CONTROL: ControlKind = ControlKind::Redemption;
    const FIELDS: &'static [Field] = &[POINTS, BILL, TAX];
    const STORED: &'static [&'static str] = &[SLICES, VALUE];
    type Fact = Spent;

    fn read<F: Fields>(from: &F) -> Result<Self, F::Error> {
        let bill = from.amount(&BILL)?;
        let points = from.required(&POINTS, F::points)?;
        Ok(Self { points, bill, tax: from.tax_code(&TAX)? })
    }

    fn say(&self, said: &mut dyn Said) {
        said.points(&POINTS, self.points);
        if let Some(bill) = self.bill {
            said.amount(&BILL, bill);
        }
        if let Some(code) = &self.tax {
            said.tax_code(&TAX, code);
        }
    }

    fn decide(&self, at: &At<'_>, account: &mut Account) -> Result<(Spent, Option<Reversed>), Refusal> {
        let (line, day) = (&at.head.line, at.day);
        let no_rule = || Refusal::NoBurnRule { line: line.clone(), day };
        let rule = at.rulebook.burn(line, day).ok_or_else(no_rule)?;
        self.tax.iter().try_for_each(|code| at.known(code))?;
        self.check(at, rule, account)?;
        let honours = |scheme: &SchemeId| at.rulebook.is_usable(scheme, line);
        let Some(slices) = account.lots_for(self.points, day, honours)? else {
            let available = account.balance_of(day, honours)?;
            return Err(Refusal::InsufficientPoints { available, requested: self.points });
        };
        for slice in &slices {
            account.take(slice)?;
        }
        if rule.counts_days() {
            account.redeemed.entry((line.clone(), day)).or_default().add(self.points)?;
        }
        let value = at.rulebook.currency.round_value(exact_value(self.points, rule.value)?)?;
        Ok((Spent { value, slices }, None))
    }

    fn store(fact: &Spent, to: &mut dyn Store) {
        to.slices(SLICES, &fact.slices);
        to.money(VALUE, fact.value);
    }

    fn load<L: Load>(from: &L) -> Result<Spent, Broken> {
        let from = Loaded(from);
        Ok(Spent { value: from.money(VALUE)?, slices: from.slices(SLICES)? })
    }

    fn write_canonical(fact: &Spent, text: &mut Canonical) {
        text.slices("spent", &fact.slices);
        // Writing to a String cannot fail.
        let _ = write!(text, "|{}", fact.value.minor());
    }

    fn points(did: &Did<Self>) -> Result<Points, OutOfRange> {
        Points::sum(did.fact.slices.iter().map(|slice| slice.points))
    }

    fn legs<'a>(
        did: &'a Did<Self>,
        head: &'a Head,
        rulebook: &'a Rulebook,
        legs: &mut Legs<'_, 'a>,
    ) -> Result<(), RatingError> {
        let day = rulebook.day(head.occurred());
        let honoured =
            legs::redemption(rulebook, &head.line, (day, did.asked.tax.as_ref()), did.fact.value, &did.fact.slices)?;
        Ok(honoured.into_iter().map(Leg::Owed).try_for_each(legs)?)
    }

    fn moves(fact: &Spent, balances: &mut dyn Balances) -> Result<(), OutOfRange> {
        balances.lose(&fact.slices)
    }

    fn show(fact: &Spent, to: &mut dyn Show) -> Result<(), OutOfRange> {
        to.slices("slices", &fact.slices);
        to.money("value", fact.value);
        Ok(())
    }

    fn paid(did: &Did<Self>) -> Option<Paid> {
        did.asked.bill.map(|bill| Paid { value: did.fact.value, bill })
    }

    fn reversible(_did: &Did<Self>) -> Option<Reversible<'_>> {
        Some(Reversible { amount: None, slices: None })
    }

    fn recount(
        did: &Did<Self>,
        head: &Head,
        _booked: Period,
        rulebook: &Rulebook,
        account: &mut Account,
    ) -> Result<(), OutOfRange> {
        let day = rulebook.day(head.occurred());
        if rulebook.burn(&head.line, day).is_some_and(BurnRule::counts_days) {
            account.redeemed.entry((head.line.clone(), day)).or_default().add(did.asked.points)?;
        }
        Ok(())
    }
}

impl Redemption {
    /// Caps, then step, then minimum; the balance is checked when lots are taken.
    fn check(&self, at: &At<'_>, rule: &BurnRule, account: &Account) -> Result<(), Refusal> {
        let bill = self.bill.map(|bill| Bill { amount: bill, currency: at.rulebook.currency });
        if let Some((cap, refusal)) = redemption_cap(rule, account, &at.head.line, bill, at.day)?
            && self.points > cap
        {
            return Err(refusal);
        }
        if self.points.get() % rule.step.get() != 0 {
            return Err(Refusal::OffStep(rule.step));
        }
        if self.points < rule.minimum {
            return Err(Refusal::BelowMinimum(rule.minimum));
        }
        Ok(())
    }
}

/// What a member buys with points and with money.
#[derive(Debug, Clone, Copy)]
pub struct Bill {
    pub amount: Money,
    pub currency: Currency,
}

/// The most that a rule lets a member redeem for a bill on a day, apart from the
/// balance, with the refusal that names the narrowest cap.
pub fn redemption_cap(
    rule: &BurnRule,
    account: &Account,
    line: &LineId,
    bill: Option<Bill>,
    day: NaiveDate,
) -> Result<Option<(Points, Refusal)>, Refusal> {
    let mut caps: Vec<(Points, Refusal)> = Vec::new();
    if let Some(cap) = rule.max_per_order {
        caps.push((cap, Refusal::AboveOrderCap(cap)));
    }
    if let Some(share) = rule.max_bill_share {
        let Bill { amount, currency } = bill.ok_or_else(|| Refusal::BillMissing(line.clone()))?;
        // bill x share / value, all of it exact, rounded down.
        let exact = currency.exact(amount)?.checked_mul(share.scaled()).ok_or(OutOfRange)?;
        let cap = exact / rule.value.scaled() / Rate::SCALE;
        let cap = i64::try_from(cap).map_err(|_| OutOfRange)?;
        let cap = Points::new(cap);
        caps.push((cap, Refusal::AboveBillCap { cap, bill: currency.show(amount) }));
    }
    if let Some(cap) = rule.max_per_day {
        let left = cap.minus(account.redeemed_on(line, day).min(cap))?;
        caps.push((left, Refusal::AboveDayCap { left }));
    }
    if let Some(cap) = rule.max_per_month {
        let left = cap.minus(account.redeemed_in(line, Period::of_day(day))?.min(cap))?;
        caps.push((left, Refusal::AboveMonthCap { left }));
    }
    Ok(caps.into_iter().min_by_key(|(cap, _)| *cap))
}
