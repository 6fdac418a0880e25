//! The contract liability of a period: rates, roll-forward and forecast.

use crate::calendar::Period;
use crate::id::LineId;
use crate::liability::{CohortLiability, RollForward};
use crate::lot::Cohort;
use crate::money::{Money, Points, Rate};
use crate::rulebook::Method;
use crate::urr::{Basis, CohortRate};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// What a close leaves to the next for one cohort. Kept after the expiry: the
/// cohort is experience then, and a late event may still concern it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortState {
    pub cohort: Cohort,
    pub liability: CohortLiability,
    /// Points redeemed from the issue to the end of each age in months, returns
    /// deducted; the first is the month of issue, the last at most the age of expiry.
    pub redeemed: Vec<Points>,
    /// What this close estimated, for the next close's actual to expected.
    pub rate: CohortRate,
}

/// A cohort's row of the contract liability's roll-forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiabilityRow {
    pub cohort: Cohort,
    /// Amounts in minor units, net of VAT.
    pub row: RollForward,
    /// The URR of this close: a part of the points issued, 0 to 1.
    pub rate: Rate,
    /// The URR of the close before; `None` for a new cohort.
    pub previous_rate: Option<Rate>,
    /// What the rate rests on; [`Basis::word`] is its word in files,
    /// [`Basis::reason`] why a person set it.
    pub basis: Basis,
    pub method: Method,
    /// Points that can still be redeemed, at the end of the period.
    pub outstanding: Points,
}

/// A cohort's row of the redemption triangle, with what is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedemptionRateRow {
    pub cohort: Cohort,
    /// Whole months since the issue, at this close.
    pub age: usize,
    /// Less what was taken back with refunded sales.
    pub issued: Points,
    /// Cumulative, at the end of each age from zero on.
    pub redeemed_by_age: Vec<Points>,
    /// Age-to-age factors of all the funder's cohorts that live as long, from
    /// age 0 to 1 on; `None` where no cohort tells.
    pub factors: Vec<Option<Decimal>>,
    pub basis: Basis,
    /// Points that will have been redeemed in the end.
    pub expected: Points,
    /// `expected / issued`, the rate of the liability.
    pub rate: Rate,
    /// Mack's standard error of the chain ladder's ultimate, in points; `None`
    /// where the triangle does not tell.
    pub standard_error: Option<Decimal>,
    /// Points redeemed since the previous close, where that close expected a
    /// definite number.
    pub actual: Option<Points>,
    /// The number that the previous close expected, in points.
    pub expected_of_previous_close: Option<Decimal>,
}

/// What of a funder's points expires at the end of a month if nothing more is redeemed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiryForecast {
    pub funder: LineId,
    pub month: Period,
    pub points: Points,
    /// The points at face value, in minor units: what members would lose.
    pub value: Money,
    /// The contract liability carried for them at this close, in minor units.
    pub liability: Money,
}
