//! What a period releases of a cohort's contract liability, told apart by cause.
//!
//! Before the period the cohort has N points issued, R redeemed, E expected in all, H expected when
//! they were issued, and CL allocated to them, of which CL x R / E is recognised.
//!
//! ```text
//! v = CL / max(E, H)                   value of a redeemed point, as it was expected at issue
//! b = CL x (1/E - 1/max(E, H))         breakage earned with it
//! returns       -rho x v, -rho x b     at the values of the last close, whatever the rate is now
//! redemptions    k x v,  k x b         with the period's sales, at its new rate
//! re-estimate   (R - rho) x CL x (1/E' - 1/E)      past redemptions that still stand
//! expired       CL' x (1 - R'/E)       what the last estimate still expected of expired points
//! undone        the released part of refunded sales: no movement of the liability
//! reversed      the rest of what was allocated to them
//! remeasured    what is left: points now measured without a refunded, or with a late sale
//! ```

use super::booking::NOISE;
use crate::units::micro::Micro;
use crate::units::money::{OutOfRange, Points};

/// Where a cohort is in its life at a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Open,
    /// Its points expired in the period, or their redemption became remote.
    Ends,
    /// They did so before.
    Over,
}

/// A cohort at a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// N
    pub issued: Points,
    /// R
    pub redeemed: Points,
    /// E, in micro-points.
    pub expected: Micro,
    /// H, in micro-points.
    pub at_issue: Micro,
    /// CL, in millionths of minor units.
    pub allocated: Micro,
    /// What is not recognised of it.
    pub closing: Micro,
}

/// What a period brings.
#[derive(Debug, Clone, Default)]
pub struct Month {
    pub issued: Points,
    pub at_issue: Micro,
    pub allocated: Micro,
    /// k by column: the own line first. Less what was given back in the same month.
    pub redeemed: Vec<Points>,
    /// rho by column, positive: redeemed before the period, and given back in it.
    pub returned: Vec<Points>,
    /// Withdrawn with refunded sales and with points given.
    pub withdrawn: Points,
    /// Of these, what was spent already.
    pub owed: Points,
    pub withdrawn_at_issue: Micro,
    /// Allocated to the refunded part of sales.
    pub back: Micro,
    /// Points of these sales withdrawn, and spent already.
    pub withdrawn_sold: Points,
    pub owed_sold: Points,
}

/// What causes a release.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Release {
    /// By column.
    pub redeemed: Vec<Micro>,
    pub breakage: Micro,
    pub re_estimate: Micro,
    pub remeasured: Micro,
    pub expired: Micro,
    pub reversed: Micro,
    pub undone: Micro,
    pub closing: Micro,
    /// What a spent point of a refunded sale had released.
    pub spent: Value,
}

/// What a redeemed point releases: CL over micro-points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Value {
    allocated: Micro,
    /// max(E, H)
    at_issue: Micro,
    /// E
    expected: Micro,
}

impl Value {
    fn new(allocated: Micro, expected: Micro, at_issue: Micro) -> Self {
        Self { allocated, at_issue: expected.max(at_issue), expected }
    }

    /// k x v
    pub fn of(&self, points: Points) -> Result<Micro, OutOfRange> {
        self.allocated.proportion(Micro::of_points(points).get(), self.at_issue.get())
    }

    /// k x b
    pub fn breakage(&self, points: Points) -> Result<Micro, OutOfRange> {
        self.allocated.proportion(Micro::of_points(points).get(), self.expected.get())?.minus(self.of(points)?)
    }
}

impl Standing {
    /// After the period: N', R', H', CL'. E' and the closing are of the close.
    pub fn after(&self, month: &Month) -> Result<Self, OutOfRange> {
        let redeemed = self.redeemed.plus(Points::sum(month.redeemed.iter().copied())?)?;
        let returned = Points::sum(month.returned.iter().copied())?;
        Ok(Self {
            issued: self.issued.plus(month.issued)?.minus(month.withdrawn)?,
            redeemed: redeemed.minus(returned)?.minus(month.owed)?,
            at_issue: self.at_issue.plus(month.at_issue)?.minus(month.withdrawn_at_issue)?,
            allocated: self.allocated.plus(month.allocated)?.minus(month.back)?,
            expected: Micro::ZERO,
            closing: Micro::ZERO,
        })
    }

    /// What is expected in all at the end of a cohort, before the fact: E*.
    fn expected_at_end(&self, after: &Self, is_new: bool) -> Result<Micro, OutOfRange> {
        let before = match is_new {
            true => after.at_issue,
            false => self.expected.proportion(after.issued.get(), self.issued.get())?,
        };
        Ok(before.max(Micro::of_points(after.redeemed)).max(Micro::ZERO))
    }

    /// The period's release. `expected`: E' of a cohort that stays open. `None`: there was no close before.
    pub fn release(
        before: Option<&Self>,
        month: &Month,
        expected: Micro,
        phase: Phase,
    ) -> Result<(Self, Release), OutOfRange> {
        let is_new = before.is_none();
        let old = before.copied().unwrap_or_default();
        let mut after = old.after(month)?;
        let measure = match phase {
            Phase::Open => expected.max(Micro::of_points(after.redeemed)).max(Micro::ZERO),
            Phase::Ends => old.expected_at_end(&after, is_new)?,
            Phase::Over => Micro::of_points(after.redeemed.max(Points::ZERO)),
        };
        let grown = old.issued.plus(month.issued)?;
        let at_issue = old.at_issue.plus(month.at_issue)?;
        let allocated = old.allocated.plus(month.allocated)?;
        // u x points, u being E'/N' or, of nothing, the rate before.
        let rated = |points: Points| {
            if after.issued.is_positive() {
                measure.proportion(points.get(), after.issued.get())
            } else if is_new {
                at_issue.proportion(points.get(), grown.get())
            } else {
                old.expected.proportion(points.get(), old.issued.get())
            }
        };
        let returned_all = Points::sum(month.returned.iter().copied())?;
        let stands = old.redeemed.minus(returned_all)?;
        let grown_redeemed = stands.plus(Points::sum(month.redeemed.iter().copied())?)?;
        let last = Value::new(old.allocated, old.expected, old.at_issue);
        let now = match phase {
            Phase::Over => Value::new(allocated, Micro::of_points(grown_redeemed), at_issue),
            Phase::Open | Phase::Ends => {
                Value::new(allocated, rated(grown)?.max(Micro::of_points(grown_redeemed)), at_issue)
            }
        };

        let mut release = Release { spent: if is_new { now } else { last }, ..Release::default() };
        for (redeemed, returned) in month.redeemed.iter().zip(&month.returned) {
            release.redeemed.push(now.of(*redeemed)?.minus(last.of(*returned)?)?);
            if phase != Phase::Over {
                release.breakage.add(now.breakage(*redeemed)?.minus(last.breakage(*returned)?)?)?;
            }
        }
        let basis = if is_new { (at_issue, grown) } else { (old.expected, old.issued) };
        release.undone = undone(phase, month.back, (month.withdrawn_sold, month.owed_sold), basis)?;
        release.reversed = month.back.minus(release.undone)?;
        if phase != Phase::Over && stands.is_positive() && old.expected.is_positive() {
            let stands = Micro::of_points(stands);
            let recognised = |expected: Micro| old.allocated.proportion(stands.get(), expected.get());
            let now = recognised(rated(old.issued)?.max(stands))?;
            release.re_estimate = now.minus(recognised(old.expected)?)?;
        }
        old.finish(&mut after, &mut release, month.allocated, measure, phase)?;
        Ok((after, release))
    }

    /// What is left, and what of it expired or was measured anew.
    fn finish(
        &self,
        after: &mut Self,
        release: &mut Release,
        allocated: Micro,
        measure: Micro,
        phase: Phase,
    ) -> Result<(), OutOfRange> {
        let redeemed = Micro::of_points(after.redeemed.max(Points::ZERO));
        let waits = |after: &Self| after.allocated.minus(after.allocated.proportion(redeemed.get(), measure.get())?);
        (after.expected, after.closing) = match phase {
            Phase::Open => (measure, waits(after)?),
            Phase::Ends | Phase::Over => (redeemed, Micro::ZERO),
        };
        if phase == Phase::Ends {
            release.expired = waits(after)?;
        }
        if phase == Phase::Open && measure.is_zero() {
            // Nobody is expected to redeem anything: nothing is left to wait for.
            after.closing = Micro::ZERO;
        }
        let named = Micro::sum(release.redeemed.iter().copied().chain([
            release.breakage,
            release.re_estimate,
            release.expired,
            release.reversed,
            after.closing,
        ]))?;
        let rest = self.closing.plus(allocated)?.minus(named)?;
        release.closing = after.closing;
        match phase {
            Phase::Over => release.expired = rest,
            Phase::Open if measure.is_zero() => release.re_estimate.add(rest)?,
            Phase::Open | Phase::Ends if rest.get().abs() > NOISE => release.remeasured = rest,
            Phase::Open | Phase::Ends => {}
        }
        Ok(())
    }
}

/// The part that was released already of what is taken `back` with withdrawn points, some of which are owed, that is
/// were spent: `min(back, back x owed / (withdrawn x u))`, where so much was expected of so many points: u.
pub(super) fn undone(
    phase: Phase,
    back: Micro,
    (withdrawn, owed): (Points, Points),
    (expected, of): (Micro, Points),
) -> Result<Micro, OutOfRange> {
    if phase == Phase::Over {
        return Ok(back);
    }
    if !owed.is_positive() || !withdrawn.is_positive() {
        return Ok(Micro::ZERO);
    }
    let owed = Micro::of_points(owed);
    let rated = expected.proportion(withdrawn.get(), of.get())?;
    if rated <= owed {
        return Ok(back);
    }
    Ok(back.share(owed.get(), rated.get())?.min(back))
}
