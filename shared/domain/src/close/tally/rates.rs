//! What part of the points of a sale is expected to be redeemed, known when the sale is made.

use crate::actuarial::experience::Life;
use crate::claims::lot::Cohort;
use crate::terms::rulebook::{LiabilityTerms, Method, Rulebook};
use crate::units::calendar::Period;
use crate::units::id::SchemeId;
use crate::units::money::Rate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The rate by which points of a scheme that are issued in a month and live so long are valued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaleRate {
    pub scheme: SchemeId,
    pub life: Life,
    pub month: Period,
    pub rate: Rate,
}

/// What the closes so far have to say: of their months what was used, of the next what they estimated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<SaleRate>", into = "Vec<SaleRate>")]
pub struct SaleRates(BTreeMap<(SchemeId, Life, Period), Rate>);

impl From<Vec<SaleRate>> for SaleRates {
    fn from(rates: Vec<SaleRate>) -> Self {
        Self(rates.into_iter().map(|SaleRate { scheme, life, month, rate }| ((scheme, life, month), rate)).collect())
    }
}

impl From<SaleRates> for Vec<SaleRate> {
    fn from(rates: SaleRates) -> Self {
        let rate = |((scheme, life, month), rate)| SaleRate { scheme, life, month, rate };
        rates.0.into_iter().map(rate).collect()
    }
}

impl SaleRates {
    /// Points are valued in every later month as in their own, so that a refund takes back what the sale did. In
    /// their own month a person's rate goes first; what no close could estimate has the rulebook's initial rate.
    pub fn of(&self, rulebook: &Rulebook, cohort: &Cohort, booked: Period, terms: &LiabilityTerms) -> Rate {
        let Cohort { scheme, issued, .. } = cohort;
        let known = || self.0.get(&(scheme.clone(), Life::of(cohort), *issued)).copied();
        match terms.method {
            Method::Remote { .. } => Rate::ONE,
            Method::CatchUp if *issued == booked => {
                let manual = rulebook.urr_override(scheme, *issued, booked).map(|manual| manual.rate());
                manual.or_else(known).unwrap_or(terms.initial_urr)
            }
            Method::CatchUp => known().unwrap_or(terms.initial_urr),
        }
    }

    pub fn set(&mut self, scheme: &SchemeId, life: Life, month: Period, rate: Rate) {
        self.0.insert((scheme.clone(), life, month), rate);
    }

    /// Those of a month.
    pub fn in_month(&self, month: Period) -> impl Iterator<Item = (&SchemeId, Life, Rate)> {
        let of = self.0.iter().filter(move |((_, _, of), _)| *of == month);
        of.map(|((scheme, life, _), rate)| (scheme, *life, *rate))
    }
}
