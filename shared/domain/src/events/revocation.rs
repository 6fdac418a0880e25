//! Points given without a sale, taken back.

use super::EntryKind;
use super::Event;
use super::canonical::Canonical;
use super::entry::Head;
use super::field::{Field, Fields, Origin, POINTS, REVERSES, Said};
use super::kind::{At, Balances, Did, Kind, Reversed, Show};
use super::refusal::Refusal;
use super::stored::{Broken, Load, Store};
use super::withdrawal::{Original, Withdrawal, part_of_points, read_by_points, say_by_points};
use crate::claims::account::Account;
use crate::claims::lot::Slice;
use crate::legs::{self, Legs, RatingError};
use crate::legs::{ControlKind, FlowKind};
use crate::terms::rulebook::Rulebook;
use crate::units::money::{Money, OutOfRange, Points};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    pub origin: Origin,
    /// Without a number, whatever is left.
    pub points: Option<Points>,
}

impl Kind for Revocation {
    const WORD: EntryKind = EntryKind::Reversal;
    const REVERSES: Option<EntryKind> = Some(EntryKind::Adjustment);
    const CONTROL: ControlKind = ControlKind::Withdrawal;
    const FIELDS: &'static [Field] = &[REVERSES, POINTS];
    const STORED: &'static [&'static str] = Withdrawal::STORED;
    type Fact = Withdrawal;

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

    fn decide(&self, at: &At<'_>, account: &mut Account) -> Result<(Withdrawal, Option<Reversed>), Refusal> {
        let target = at.target(&self.origin)?;
        let Event::Grant(Did { fact, .. }) = &target.entry.event else {
            return Err(Refusal::NotReversible(target.entry.kind()));
        };
        let points = part_of_points(fact.points()?, target.reversed.points, self.points)?;
        let points = from_the_last(&fact.slices, target.reversed, points)?;
        let original = Original { at: target.entry.head.occurred(), slices: fact.slices.clone() };
        let withdrawal = Withdrawal::of(at, account, original, target.reversed, points)?;
        let reversed = withdrawal.reversed(Money::ZERO)?;
        Ok((withdrawal, Some(reversed)))
    }

    fn store(fact: &Withdrawal, to: &mut dyn Store) {
        fact.store(to);
    }

    fn load<L: Load>(from: &L) -> Result<Withdrawal, Broken> {
        Withdrawal::load(from)
    }

    fn write_canonical(fact: &Withdrawal, text: &mut Canonical) {
        fact.write_canonical([Money::ZERO; 3], text);
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
        did.fact.legs(legs, FlowKind::Revoked, &head.line, Money::ZERO)?;
        did.fact.valued(legs, None)?;
        legs::repaid(legs, rulebook, head.occurred(), &did.fact.repaid)
    }

    fn moves(fact: &Withdrawal, balances: &mut dyn Balances) -> Result<(), OutOfRange> {
        fact.moves(balances)
    }

    fn show(fact: &Withdrawal, to: &mut dyn Show) -> Result<(), OutOfRange> {
        // A reversal tells what it refunds: here nothing.
        to.money("amount", Money::ZERO);
        fact.show(to);
        Ok(())
    }
}

/// What taking back a number of points takes of each slice, the last first.
fn from_the_last(slices: &[Slice], before: &Reversed, points: Points) -> Result<Vec<Points>, OutOfRange> {
    let mut left = points;
    let mut parts = vec![Points::ZERO; slices.len()];
    for (at, slice) in slices.iter().enumerate().rev() {
        parts[at] = slice.points.minus(before.of_slice(at))?.min(left);
        left = left.minus(parts[at])?;
    }
    Ok(parts)
}
