//! Why past redemptions are measured anew at a close, and what is expected of new points.

use crate::claims::lot::Cohort;
use crate::units::id::LineId;
use crate::units::money::Rate;
use serde::{Deserialize, Serialize};

/// What moved a funder's estimate since the close before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EstimateChange {
    pub funder: LineId,
    pub reason: ReEstimateReason,
    /// The part expected of the month's new points, and of the next month's; of the life that most
    /// of the month's have.
    pub new_points: Option<Moved>,
}

/// From one close to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    pub before: Rate,
    pub after: Rate,
}

/// The first of these that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum ReEstimateReason {
    /// A person set a rate, changed it or took it back.
    Override {
        reason: String,
    },
    /// Experience counts in another measure than before.
    Credibility(Moved),
    /// The month brought so little that it teaches nothing.
    IgnoredMonth,
    /// The pace of the level months, to that of the window.
    Level(Moved),
    Margin(Moved),
    /// The points are older, and what is spent at each age is known better.
    Ages,
    /// The rates are the rulebook's.
    Terms,
}

/// A cohort's rate as a person set it, kept so that the next close sees whether it is another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overridden {
    pub cohort: Cohort,
    pub rate: Rate,
}
