//! Points given without a sale.

use super::EntryKind;
use super::canonical::Canonical;
use super::entry::Head;
use super::field::{Field, Fields, POINTS, Said};
use super::issue::Issue;
use super::kind::{At, Balances, Did, Kind, Reversed, Reversible, Show};
use super::refusal::Refusal;
use super::stored::{Broken, Load, Store};
use crate::claims::account::Account;
use crate::legs::{self, Legs, RatingError};
use crate::legs::{ControlKind, FlowKind};
use crate::terms::rulebook::Rulebook;
use crate::units::id::SchemeId;
use crate::units::money::{Money, OutOfRange, Points};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub points: Points,
}

impl Kind for Grant {
    const WORD: EntryKind = EntryKind::Adjustment;
    const CONTROL: ControlKind = ControlKind::Adjustment;
    const FIELDS: &'static [Field] = &[POINTS];
    const STORED: &'static [&'static str] = Issue::STORED;
    type Fact = Issue;

    fn read<F: Fields>(from: &F) -> Result<Self, F::Error> {
        Ok(Self { points: from.required(&POINTS, F::points)? })
    }

    fn say(&self, said: &mut dyn Said) {
        said.points(&POINTS, self.points);
    }

    fn decide(&self, at: &At<'_>, account: &mut Account) -> Result<(Issue, Option<Reversed>), Refusal> {
        at.rulebook.earn(&at.head.line, at.day).ok_or_else(|| at.no_earn_rule())?;
        Ok((Issue::of(at, account, vec![(SchemeId::of(&at.head.line), self.points)])?, None))
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

    fn legs<'a>(
        did: &'a Did<Self>,
        head: &'a Head,
        rulebook: &'a Rulebook,
        legs: &mut Legs<'_, 'a>,
    ) -> Result<(), RatingError> {
        legs::moved(legs, FlowKind::Granted, &head.line, &did.fact.slices, Money::ZERO)?;
        legs::issued(legs, None, &did.fact.slices)?;
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
        Some(Reversible { amount: None, slices: Some(&did.fact.slices) })
    }
}
