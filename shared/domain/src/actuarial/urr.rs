//! The ultimate redemption rate (URR): which part of the points issued will
//! ever be redeemed.
//!
//! A cohort's history is its cumulative redemptions by age, one row of a
//! [`Triangle`]. The classical reserving methods fill in the rest of the row:
//! redemptions stand in for claims paid, points issued for premium.
//! [`policy::Policy`] picks the method that a close uses.
//!
//! *Precision.* Sums of points are exact. Everything else is a decimal of up to
//! 28 significant digits, at most 28 of them after the point; a result above
//! 7.9 x 10^28 is [`UrrError::OutOfRange`]. Whole points and rates are rounded
//! once, at the end.

mod exact;
mod mack;
mod methods;
mod policy;

pub use mack::Mack;
pub use methods::{Projection, bornhuetter_ferguson};
pub use policy::{
    ActualToExpected, Basis, CohortRate, Estimate, ManualRate, Policy, UrrMethod, actual_to_expected, estimate,
};

use crate::claims::lot::{Cohort, Expiry};
use crate::units::calendar::Period;
use crate::units::money::{OutOfRange, Points, Rate};

/// Why a rate could not be estimated or was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrrError {
    #[error("there is no cohort to learn from")]
    NoCohorts,
    #[error("cohort {cohort} has no age at all")]
    NoAge { cohort: Cohort },
    #[error("cohort {cohort} has a negative number of points")]
    NegativePoints { cohort: Cohort },
    #[error("cohort {cohort} redeemed {redeemed} points, more than the {issued} it issued")]
    RedeemedAboveIssue { cohort: Cohort, issued: Points, redeemed: Points },
    #[error("cohort {cohort} is given twice")]
    Twice { cohort: Cohort },
    #[error("no redemptions from age {age} to the next: the development there is not defined")]
    NoDevelopment { age: usize },
    #[error("cohort {cohort} went from no redemptions at age {age} to some: its own factor is not defined")]
    FromNothing { cohort: Cohort, age: usize },
    #[error("one development alone says nothing of its spread: at least two cohorts must share an age")]
    NoSpread,
    #[error("no points issued have had time to be redeemed")]
    NothingDeveloped,
    #[error("a rate of {rate} is more than 100 %")]
    RateAboveOne { rate: Rate },
    #[error("a manual rate needs a reason")]
    NoReason,
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

/// What is known of one cohort.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experience {
    pub cohort: Cohort,
    /// Points issued, less those taken back with a refunded sale.
    pub issued: Points,
    /// Points redeemed from the issue to the end of each age, returns deducted.
    /// The first is age zero, in the settlement the month of issue. A return
    /// may make a later one smaller.
    pub redeemed: Vec<Points>,
}

impl Experience {
    /// The latest age observed.
    pub fn age(&self) -> usize {
        self.redeemed.len().saturating_sub(1)
    }

    /// Points redeemed so far.
    pub fn latest(&self) -> Points {
        self.redeemed.last().copied().unwrap_or_default()
    }

    /// The age in months at whose end the points expire; `None`: they never do.
    pub fn expiry_age(&self) -> Option<usize> {
        match self.cohort.expires {
            Expiry::On(day) => {
                Some(usize::try_from(Period::of_day(day).months_since(self.cohort.issued)).unwrap_or_default())
            }
            Expiry::Never => None,
        }
    }

    /// Earlier ages are not held against the issue: points that were redeemed,
    /// returned and then taken back with their sale are out of both by now.
    fn check(&self) -> Result<(), UrrError> {
        let cohort = || self.cohort.clone();
        if self.redeemed.is_empty() {
            return Err(UrrError::NoAge { cohort: cohort() });
        }
        if self.issued.is_negative() || self.redeemed.iter().any(|points| points.is_negative()) {
            return Err(UrrError::NegativePoints { cohort: cohort() });
        }
        if self.latest() > self.issued {
            return Err(UrrError::RedeemedAboveIssue {
                cohort: cohort(),
                issued: self.issued,
                redeemed: self.latest(),
            });
        }
        Ok(())
    }
}

/// Cohorts that develop alike, ordered by funder, issue and expiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Triangle {
    rows: Vec<Experience>,
    expiry_age: Option<usize>,
    /// Nothing is redeemed after it.
    last_age: usize,
}

impl Triangle {
    /// Checks the cohorts. They may come in any order and differ in length.
    ///
    /// Points expire at the end of `expiry_age`. What is booked later, such as a
    /// redemption of the last day that came in late, counts at that age. Without
    /// expiry the oldest age observed is taken to be the last: no tail.
    pub fn new(mut rows: Vec<Experience>, expiry_age: Option<usize>) -> Result<Self, UrrError> {
        rows.iter().try_for_each(Experience::check)?;
        rows.sort_by(|one, other| one.cohort.by_scheme().cmp(&other.cohort.by_scheme()));
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].cohort == pair[1].cohort) {
            return Err(UrrError::Twice { cohort: pair[0].cohort.clone() });
        }
        if let Some(last) = expiry_age {
            for row in rows.iter_mut().filter(|row| row.age() > last) {
                let latest = row.latest();
                row.redeemed.truncate(last);
                row.redeemed.push(latest);
            }
        }
        let oldest = rows.iter().map(Experience::age).max().ok_or(UrrError::NoCohorts)?;
        Ok(Self { rows, expiry_age, last_age: expiry_age.unwrap_or(oldest) })
    }

    /// The cohorts in the order of every list of results.
    pub fn rows(&self) -> &[Experience] {
        &self.rows
    }

    /// Whether a row's points have all been redeemed or expired.
    pub fn is_expired(&self, row: &Experience) -> bool {
        self.expiry_age.is_some_and(|last| row.age() >= last)
    }

    /// Joins neighbours until each group has `minimum` points issued.
    ///
    /// A group is known as far as its youngest member is: beyond that age the
    /// sum would be of fewer points. The youngest group may stay thin; joined
    /// to the one before, it would cut that one's history short.
    pub fn grouped(&self, minimum: Points) -> Result<Vec<Group>, UrrError> {
        let mut groups: Vec<Group> = Vec::new();
        for row in &self.rows {
            match groups.last_mut() {
                Some(open) if open.experience.issued < minimum => open.join(row)?,
                Some(_) | None => {
                    groups.push(Group { members: vec![row.cohort.clone()], experience: row.clone() });
                }
            }
        }
        Ok(groups)
    }
}

/// Thin cohorts taken together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub members: Vec<Cohort>,
    /// Bears the name of the first member.
    pub experience: Experience,
}

impl Group {
    fn join(&mut self, row: &Experience) -> Result<(), OutOfRange> {
        let sum = &mut self.experience;
        sum.issued.add(row.issued)?;
        sum.redeemed.truncate(row.redeemed.len());
        for (sum, points) in sum.redeemed.iter_mut().zip(&row.redeemed) {
            sum.add(*points)?;
        }
        self.members.push(row.cohort.clone());
        Ok(())
    }
}
