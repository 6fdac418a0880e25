//! A sale that earns points.

use super::EntryKind;
use super::canonical::Canonical;
use super::entry::Head;
use super::field::{AMOUNT, Field, Fields, Said, TAXES};
use super::issue::Issue;
use super::kind::{At, Balances, Did, Kind, Reversed, Reversible, Show};
use super::refusal::Refusal;
use super::stored::{Broken, Load, Store};
use super::taxes::Taxes;
use crate::claims::account::Account;
use crate::legs::{self, AwardLeg, Leg, Legs, RatingError};
use crate::legs::{ControlKind, FlowKind};
use crate::terms::rulebook::{Awarded, EarnRule, Rulebook};
use crate::units::allocate::largest_remainder;
use crate::units::currency::Currency;
use crate::units::id::{LineId, SchemeId};
use crate::units::money::{Money, OutOfRange, Points, Rate};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accrual {
    /// Of the sale.
    pub amount: Money,
    /// By tax code; none if it has the line's own rate.
    pub taxes: Taxes,
}

impl Accrual {
    /// At the line's own rate of VAT.
    pub fn of(amount: Money) -> Self {
        Self { amount, taxes: Taxes::default() }
    }
}

impl Kind for Accrual {
    const WORD: EntryKind = EntryKind::Accrual;
    const CONTROL: ControlKind = ControlKind::Accrual;
    const FIELDS: &'static [Field] = &[AMOUNT, TAXES];
    const STORED: &'static [&'static str] = Issue::STORED;
    type Fact = Issue;

    fn read<F: Fields>(from: &F) -> Result<Self, F::Error> {
        let amount = from.required(&AMOUNT, F::amount)?;
        Ok(Self { amount, taxes: from.taxes(&TAXES, Some(amount))?.unwrap_or_default() })
    }

    fn say(&self, said: &mut dyn Said) {
        said.amount(&AMOUNT, self.amount);
        if !self.taxes.is_empty() {
            said.taxes(&TAXES, &self.taxes);
        }
    }

    fn decide(&self, at: &At<'_>, account: &mut Account) -> Result<(Issue, Option<Reversed>), Refusal> {
        at.taxed(&self.taxes, self.amount)?;
        let rule = at.rulebook.earn(&at.head.line, at.day).ok_or_else(|| at.no_earn_rule())?;
        let base = points_of_sale(rule, &at.head.line, at.rulebook.currency, self.amount)?;
        let awards = at.rulebook.awards(&at.head.line, at.head.occurred(), self.amount)?;
        let issue = Issue::of(at, account, by_scheme(base, &awards)?)?;
        Ok((Issue { awards, ..issue }, None))
    }

    fn store(fact: &Issue, to: &mut dyn Store) {
        fact.store(to);
    }

    fn load<L: Load>(from: &L) -> Result<Issue, Broken> {
        Issue::load(from)
    }

    fn write_canonical(fact: &Issue, text: &mut Canonical) {
        fact.write_canonical(text);
    }

    fn points(did: &Did<Self>) -> Result<Points, OutOfRange> {
        did.fact.points()
    }

    fn consideration(did: &Did<Self>) -> Money {
        did.asked.amount
    }

    fn taxes(did: &Did<Self>) -> Option<&Taxes> {
        Some(&did.asked.taxes)
    }

    fn legs<'a>(
        did: &'a Did<Self>,
        head: &'a Head,
        rulebook: &'a Rulebook,
        legs: &mut Legs<'_, 'a>,
    ) -> Result<(), RatingError> {
        legs::moved(legs, FlowKind::Issued, &head.line, &did.fact.slices, did.asked.amount)?;
        let Accrual { amount, taxes } = &did.asked;
        let net =
            if taxes.is_empty() { None } else { taxes.net(rulebook, &head.line, rulebook.period(head.occurred()))? };
        legs::issued(legs, Some((&head.line, (*amount, net))), &did.fact.slices)?;
        for Awarded { award, scheme, points } in &did.fact.awards {
            legs(Leg::Awarded(AwardLeg { award, scheme, line: &head.line, points: *points, amount: *amount }))?;
        }
        legs::repaid(legs, rulebook, head.occurred(), &did.fact.repaid)
    }

    fn moves(fact: &Issue, balances: &mut dyn Balances) -> Result<(), OutOfRange> {
        fact.moves(balances)
    }

    fn show(fact: &Issue, to: &mut dyn Show) -> Result<(), OutOfRange> {
        fact.show(to);
        Ok(())
    }

    fn reversible(did: &Did<Self>) -> Option<Reversible<'_>> {
        Some(Reversible { amount: Some(did.asked.amount), slices: Some(&did.fact.slices) })
    }
}

/// Points of a sale by scheme, each once: the line's own and its sponsors', then what awards gave.
pub(super) fn by_scheme(
    base: Vec<(LineId, Points)>,
    awards: &[Awarded],
) -> Result<Vec<(SchemeId, Points)>, OutOfRange> {
    let mut issued: Vec<(SchemeId, Points)> =
        base.into_iter().map(|(funder, points)| (SchemeId::of(&funder), points)).collect();
    for Awarded { scheme, points, .. } in awards {
        match issued.iter_mut().find(|(of, _)| of == scheme) {
            Some((_, sum)) => sum.add(*points)?,
            None => issued.push((scheme.clone(), *points)),
        }
    }
    Ok(issued)
}

/// Points of a sale by funder, each once: the line's own first, then its sponsors'.
/// Base and total are each rounded down; the difference is the sponsors', shared
/// by largest remainder. A line that is a sponsor of its own sales has both together.
pub fn points_of_sale(
    rule: &EarnRule,
    line: &LineId,
    currency: Currency,
    amount: Money,
) -> Result<Vec<(LineId, Points)>, OutOfRange> {
    if amount < rule.minimum_amount {
        return Ok(Vec::new());
    }
    let exact = i128::from(amount.minor()).checked_mul(rule.points_per_unit.scaled()).ok_or(OutOfRange)?;
    let per_unit = Rate::SCALE * i128::from(currency.minor_per_unit());
    let base = exact / per_unit;
    let total = exact.checked_mul(rule.multiplier.scaled()).ok_or(OutOfRange)? / (Rate::SCALE * per_unit);
    let points = |points: i128| i64::try_from(points).map(Points::new).map_err(|_| OutOfRange);
    if rule.sponsors.is_empty() {
        let all = points(total)?;
        return Ok(if all.is_zero() { Vec::new() } else { vec![(line.clone(), all)] });
    }
    let mut issued = vec![(line.clone(), points(base)?)];
    let weights: Vec<i128> = rule.sponsors.iter().map(|(_, share)| share.scaled()).collect();
    let extra = largest_remainder(points(total - base)?.get(), &weights)?;
    for ((sponsor, _), points) in rule.sponsors.iter().zip(extra) {
        match issued.iter_mut().find(|(funder, _)| funder == sponsor) {
            Some((_, own)) => own.add(Points::new(points))?,
            None => issued.push((sponsor.clone(), Points::new(points))),
        }
    }
    issued.retain(|(_, points)| !points.is_zero());
    Ok(issued)
}
