//! What the classical reserving methods say of the same cohorts: no figure of the books rests on it.

use crate::actuarial::urr::{Experience, Triangle};
use crate::claims::lot::Cohort;
use crate::close::settlement::Evidence;
use crate::units::id::SchemeId;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// By scheme and term. Triangles too young for a method are no reason to stop a close.
pub(super) fn evidence(experience: &[Experience]) -> BTreeMap<Cohort, Evidence> {
    let terms: BTreeSet<(&SchemeId, Option<usize>)> =
        experience.iter().map(|row| (&row.cohort.scheme, row.expiry_age())).collect();
    let mut all = BTreeMap::new();
    for (scheme, expiry_age) in terms {
        let rows = experience.iter().filter(|row| row.cohort.scheme == *scheme && row.expiry_age() == expiry_age);
        let Ok(triangle) = Triangle::new(rows.cloned().collect(), expiry_age) else { continue };
        let count = triangle.rows().len();
        let none = || vec![None; count];
        let chain_ladder = triangle.chain_ladder().ok();
        let factors = chain_ladder.as_ref().map(|ladder| ladder.pattern.clone()).unwrap_or_default();
        let chain_ladder = chain_ladder.map_or_else(none, |ladder| ladder.ultimates);
        let errors =
            triangle.mack().map_or_else(|_| none(), |mack| mack.standard_errors.into_iter().map(Some).collect());
        let cape_cod = triangle.cape_cod().map_or_else(|_| none(), |method| method.ultimates);
        let additive = triangle.additive().map_or_else(|_| none(), |method| method.ultimates);
        let survival = triangle.survival().map_or_else(|_| none(), |method| method.ultimates);
        for (at, row) in triangle.rows().iter().enumerate() {
            let rounded = |of: &[Option<Decimal>]| of[at].map(|number| number.round_dp(6).normalize());
            let evidence = Evidence {
                chain_ladder: rounded(&chain_ladder),
                standard_error: rounded(&errors),
                cape_cod: rounded(&cape_cod),
                additive: rounded(&additive),
                survival: rounded(&survival),
                factors: factors.clone(),
            };
            all.insert(row.cohort.clone(), evidence);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::lot::Expiry;
    use crate::units::calendar::Period;
    use crate::units::money::Points;

    #[test]
    fn evidence_of_a_funder_and_a_term_is_what_it_is_without_the_others() {
        let steady = [vec![200, 300, 585, 600], vec![200, 300, 615], vec![200, 360], vec![200]];
        let falling = [vec![100, 110, 112, 113], vec![90, 120, 121], vec![95, 99], vec![100]];
        let rows = |scheme: &str, months: u32, redeemed: &[Vec<i64>; 4]| -> Vec<Experience> {
            let scheme = SchemeId::parse(scheme).unwrap();
            let issued = (0..).map(|month| Period::parse("2025-01").unwrap().plus_months(month));
            let row = |(issued, redeemed): (Period, &Vec<i64>)| Experience {
                cohort: Cohort {
                    expires: Expiry::On(issued.plus_months(months).last_day()),
                    issued,
                    scheme: scheme.clone(),
                },
                issued: Points::new(1_000),
                redeemed: redeemed.iter().copied().map(Points::new).collect(),
            };
            issued.zip(redeemed).map(row).collect()
        };
        let apart = [rows("shop", 3, &steady), rows("inn", 3, &falling), rows("shop", 2, &falling)];
        let alone = apart.iter().flat_map(|rows| evidence(rows)).collect::<BTreeMap<_, _>>();
        assert_eq!(evidence(&apart.concat()), alone);
        assert_eq!(alone.len(), 12);
        assert!(alone.values().any(|of| of.standard_error.is_some_and(|error| !error.is_zero())));
    }
}
