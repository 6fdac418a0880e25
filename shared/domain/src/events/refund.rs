//! A sale refunded: its points are taken back.

use super::EntryKind;
use super::Event;
use super::accrual::{by_scheme, points_of_sale};
use super::canonical::Canonical;
use super::entry::Head;
use super::field::{AMOUNT, Field, Fields, Origin, POINTS, REVERSES, Said, TAXES};
use super::issue::Issue;
use super::kind::{At, Balances, Did, Kind, Reversed, Show, Target};
use super::refusal::Refusal;
use super::stored::{
    BEFORE, BEFORE_AMOUNT, BEFORE_BY_SLICE, BEFORE_BY_TAX, Broken, GONE, Load, Loaded, ORIGINAL_AT, ORIGINAL_TAXES,
    ORIGINAL_VALUE, OWED, REFUNDED, REFUNDED_BY_TAX, REPAID, SLICES, Store, TAKEN, WITHDRAWN,
};
use super::taxes::Taxes;
use super::withdrawal::{Original, Withdrawal};
use crate::claims::account::Account;
use crate::legs::{self, Legs, RatingError};
use crate::legs::{ControlKind, FlowKind};
use crate::terms::rulebook::Rulebook;
use crate::units::currency::Currency;
use crate::units::money::{Money, OutOfRange, Points};
use chrono::{DateTime, Utc};
use std::fmt::Write;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    pub origin: Origin,
    /// Of the sale; without it whatever is left.
    pub amount: Option<Money>,
    /// By the sale's tax codes; without them in proportion to what is left of each.
    pub taxes: Taxes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refunded {
    /// The amount of the sale.
    pub sale: Money,
    /// Refunded before.
    pub before: Money,
    /// Refunded now.
    pub amount: Money,
    pub taxes: RefundedTaxes,
    pub withdrawal: Withdrawal,
}

/// What is refunded of a sale by its tax codes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RefundedTaxes {
    pub sale: Taxes,
    /// Refunded before of each; none if nothing was.
    pub before: Vec<Money>,
    pub now: Taxes,
}

impl RefundedTaxes {
    /// What was left of the sale before.
    fn left(&self) -> Result<Taxes, OutOfRange> {
        self.sale.minus_each(&self.before)
    }
}

impl Refund {
    /// By whatever the sale is taxed.
    pub fn of(origin: Origin, amount: Option<Money>) -> Self {
        Self { origin, amount, taxes: Taxes::default() }
    }
}

impl Kind for Refund {
    const WORD: EntryKind = EntryKind::Reversal;
    const REVERSES: Option<EntryKind> = Some(EntryKind::Accrual);
    const CONTROL: ControlKind = ControlKind::Withdrawal;
    const FIELDS: &'static [Field] = &[REVERSES, AMOUNT, TAXES];
    const STORED: &'static [&'static str] = &[
        ORIGINAL_VALUE,
        BEFORE_AMOUNT,
        REFUNDED,
        ORIGINAL_TAXES,
        BEFORE_BY_TAX,
        REFUNDED_BY_TAX,
        SLICES,
        ORIGINAL_AT,
        BEFORE,
        BEFORE_BY_SLICE,
        WITHDRAWN,
        TAKEN,
        GONE,
        OWED,
        REPAID,
    ];
    type Fact = Refunded;

    fn read<F: Fields>(from: &F) -> Result<Self, F::Error> {
        let (origin, amount) = (from.required(&REVERSES, F::origin)?, from.amount(&AMOUNT)?);
        let taxes = from.taxes(&TAXES, amount)?.unwrap_or_default();
        from.none(&POINTS, F::points, "a sale is reversed by its amount")?;
        Ok(Self { origin, amount, taxes })
    }

    fn say(&self, said: &mut dyn Said) {
        said.origin(&REVERSES, &self.origin);
        if let Some(amount) = self.amount {
            said.amount(&AMOUNT, amount);
        }
        if !self.taxes.is_empty() {
            said.taxes(&TAXES, &self.taxes);
        }
    }

    fn origin(&self) -> Option<&Origin> {
        Some(&self.origin)
    }

    fn decide(&self, at: &At<'_>, account: &mut Account) -> Result<(Refunded, Option<Reversed>), Refusal> {
        let target = at.target(&self.origin)?;
        let Event::Accrual(Did { asked, fact }) = &target.entry.event else {
            return Err(Refusal::NotReversible(target.entry.kind()));
        };
        let (sale, before) = (asked.amount, target.reversed.amount);
        let amount = part_of_amount(at.rulebook.currency, sale, before, self.amount)?;
        let after = before.plus(amount)?;
        let taxes = self.taxes(at, &asked.taxes, &target.reversed.by_tax, amount)?;
        let points = points_of_refund(at.rulebook, target, fact, sale.minus(after)?)?;
        let original = Original { at: target.entry.head.occurred(), slices: fact.slices.clone() };
        let withdrawal = Withdrawal::of(at, account, original, target.reversed, points)?;
        let by_tax = taxes.sale.minus(&taxes.left()?.minus(&taxes.now)?)?.iter().map(|(_, amount)| amount).collect();
        let reversed = Reversed { by_tax, ..withdrawal.reversed(after)? };
        Ok((Refunded { sale, before, amount, taxes, withdrawal }, Some(reversed)))
    }

    fn store(fact: &Refunded, to: &mut dyn Store) {
        to.money(ORIGINAL_VALUE, fact.sale);
        to.money(BEFORE_AMOUNT, fact.before);
        to.money(REFUNDED, fact.amount);
        to.taxes(ORIGINAL_TAXES, &fact.taxes.sale);
        to.amounts(BEFORE_BY_TAX, &fact.taxes.before);
        to.taxes(REFUNDED_BY_TAX, &fact.taxes.now);
        fact.withdrawal.store(to);
    }

    fn load<L: Load>(from: &L) -> Result<Refunded, Broken> {
        let withdrawal = Withdrawal::load(from)?;
        let from = Loaded(from);
        let (sale, before) = (from.money(ORIGINAL_VALUE)?, from.money(BEFORE_AMOUNT)?);
        let taxes = RefundedTaxes {
            sale: from.taxes(ORIGINAL_TAXES)?,
            before: from.amounts(BEFORE_BY_TAX)?,
            now: from.taxes(REFUNDED_BY_TAX)?,
        };
        Ok(Refunded { sale, before, amount: from.money(REFUNDED)?, taxes, withdrawal })
    }

    fn write_canonical(fact: &Refunded, text: &mut Canonical) {
        fact.withdrawal.write_canonical([fact.sale, fact.before, fact.amount], text);
        let RefundedTaxes { sale, before, now } = &fact.taxes;
        if !sale.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(text, "|taxes;{sale}|{now}|");
            for amount in before {
                let _ = write!(text, ";{}", amount.minor());
            }
        }
    }

    fn points(did: &Did<Self>) -> Result<Points, OutOfRange> {
        did.fact.withdrawal.points()
    }

    fn consideration(did: &Did<Self>) -> Money {
        did.fact.amount
    }

    fn taxes(did: &Did<Self>) -> Option<&Taxes> {
        Some(&did.fact.taxes.now)
    }

    fn sold_at(did: &Did<Self>, _head: &Head) -> DateTime<Utc> {
        did.fact.withdrawal.original.at
    }

    fn legs<'a>(
        did: &'a Did<Self>,
        head: &'a Head,
        rulebook: &'a Rulebook,
        legs: &mut Legs<'_, 'a>,
    ) -> Result<(), RatingError> {
        let Refunded { sale, before, amount, taxes, withdrawal } = &did.fact;
        withdrawal.legs(legs, FlowKind::Taken, &head.line, *amount)?;
        let before = sale.minus(*before)?;
        let (mut nets, left) = ([None; 2], taxes.left()?);
        if !taxes.sale.is_empty() {
            let month = rulebook.period(withdrawal.original.at);
            let net = |taxes: &Taxes| taxes.net(rulebook, &head.line, month);
            nets = [net(&left)?, net(&left.minus(&taxes.now)?)?];
        }
        let [net_before, net_left] = nets;
        let stand = [(before, net_before), (before.minus(*amount)?, net_left)];
        withdrawal.valued(legs, Some((&head.line, stand)))?;
        legs::repaid(legs, rulebook, head.occurred(), &did.fact.withdrawal.repaid)
    }

    fn moves(fact: &Refunded, balances: &mut dyn Balances) -> Result<(), OutOfRange> {
        fact.withdrawal.moves(balances)
    }

    fn show(fact: &Refunded, to: &mut dyn Show) -> Result<(), OutOfRange> {
        to.money("amount", fact.amount);
        fact.withdrawal.show(to);
        Ok(())
    }
}

impl Refund {
    /// The part of each of the sale's tax codes.
    fn taxes(&self, at: &At<'_>, sale: &Taxes, before: &[Money], amount: Money) -> Result<RefundedTaxes, Refusal> {
        if sale.is_empty() {
            let because = "the sale has the line's own rate";
            return match self.taxes.is_empty() {
                true => Ok(RefundedTaxes::default()),
                false => Err(Refusal::Superfluous(TAXES.name, because)),
            };
        }
        let left = sale.minus_each(before)?;
        let now = if self.taxes.is_empty() {
            left.shared(amount)?
        } else {
            if let Some(code) = left.exceeded_by(&self.taxes) {
                return Err(Refusal::MoreTaxedThanLeft(code.clone()));
            }
            at.parts_of(&self.taxes, amount)?;
            self.taxes.clone()
        };
        Ok(RefundedTaxes { sale: sale.clone(), before: before.to_vec(), now })
    }
}

fn part_of_amount(currency: Currency, total: Money, before: Money, asked: Option<Money>) -> Result<Money, Refusal> {
    let left = total.minus(before)?;
    match asked {
        _ if !left.is_positive() => Err(Refusal::AlreadyReversed),
        Some(amount) if amount > left => Err(Refusal::MoreAmountThanLeft(currency.show(left))),
        Some(amount) => Ok(amount),
        None => Ok(left),
    }
}

/// What a refund takes of each slice of a sale: what was issued less what the
/// remaining sale would earn by the terms and awards that decided it, less what was taken
/// before. The largest remainder is not monotone, so a smaller sale may earn a
/// funder more: then nothing is taken of it, and nothing goes back.
fn points_of_refund(
    rulebook: &Rulebook,
    target: Target<'_>,
    issue: &Issue,
    remaining: Money,
) -> Result<Vec<Points>, Refusal> {
    let head = &target.entry.head;
    let base = match target.rulebook.earn(&head.line, rulebook.day(head.occurred())) {
        Some(rule) => points_of_sale(rule, &head.line, rulebook.currency, remaining)?,
        None => Vec::new(),
    };
    let awards = target.rulebook.awards_kept(&issue.awards, &head.line, head.occurred(), remaining)?;
    let kept = by_scheme(base, &awards)?;
    let mut points = Vec::with_capacity(issue.slices.len());
    for (at, slice) in issue.slices.iter().enumerate() {
        let kept = kept.iter().find(|(scheme, _)| slice.cohort.scheme == *scheme).map_or(Points::ZERO, |kept| kept.1);
        let left = slice.points.minus(target.reversed.of_slice(at))?;
        points.push(left.minus(kept)?.max(Points::ZERO));
    }
    Ok(points)
}
