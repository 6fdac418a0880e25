//! The sentences of `sentences.json`: rows, and what must be said of them in both languages.

use crate::fixture::{line, rulebook, run, settlement};
use interline_domain::actuarial::liability::{ProvisionRow, RollForward};
use interline_domain::close::settlement::{LiabilityRow, Settlement};
use interline_domain::close::why::{EstimateChange, Moved, ReEstimateReason};
use interline_domain::units::money::{Money, Points, Rate};
use interline_reports::about::About;
use interline_reports::document::Comparison;
use interline_reports::manifest::RunKind;
use interline_reports::sentences::sentences;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Nothing stands beside the programme's first month.
    #[serde(default)]
    first: bool,
    /// Points issued and redeemed.
    #[serde(default)]
    points: [i64; 2],
    /// Opening, added, own, payable, agent, breakage, re-estimate, expired, reversed, remeasured.
    #[serde(default)]
    contract: [i64; 10],
    /// Opening, granted, used at the own line and at others, released, reversed.
    #[serde(default)]
    provision: [i64; 6],
    reason: Option<ReEstimateReason>,
    new_points: Option<[String; 2]>,
    zh: String,
    en: String,
}

impl Case {
    fn settlement(&self) -> Settlement {
        let mut settlement = settlement();
        let [opening, added, own, payable, agent, breakage, re_estimate, expired, reversed, remeasured] =
            self.contract.map(Money::from_minor);
        let mut row = RollForward {
            opening,
            added,
            own_line_revenue: own,
            to_payable: payable,
            agent_revenue: agent,
            breakage,
            re_estimate,
            remeasured,
            expired,
            reversed,
            ..RollForward::default()
        };
        row.closing = row.computed().unwrap();
        let [opening, granted, used_own, used_other, released, reversed] = self.provision.map(Money::from_minor);
        let mut provision =
            ProvisionRow { opening, granted, used_own, used_other, released, reversed, ..ProvisionRow::default() };
        provision.closing = provision.computed().unwrap();
        settlement.liability = vec![LiabilityRow { row, provision, ..settlement.liability[0].clone() }];
        settlement.issuance[0].points = Points::new(self.points[0]);
        settlement.roll_forward[0].redeemed_own = Points::new(self.points[1]);
        settlement.roll_forward[0].redeemed_other = Points::ZERO;
        let rates = self.new_points.as_ref().map(|rates| rates.each_ref().map(|rate| Rate::parse(rate).unwrap()));
        settlement.why = self
            .reason
            .iter()
            .map(|reason| EstimateChange {
                funder: line("dining"),
                reason: reason.clone(),
                new_points: rates.map(|[before, after]| Moved { before, after }),
            })
            .collect();
        settlement
    }

    /// In both languages; nothing if nothing is said.
    fn said(&self) -> (String, String) {
        let (run, rulebook, settlement) = (run(RunKind::Final), rulebook(), self.settlement());
        let about = About { rulebook: &rulebook, period: settlement.state.period, run: &run };
        let mut before = settlement.clone();
        before.state.period = settlement.state.period.previous();
        let before = Comparison::of(&rulebook, &run, &before, None, None).unwrap();
        let before = (!self.first).then_some(before);
        let comparison = Comparison::of(&rulebook, &run, &settlement, before, None).unwrap();
        let said = sentences(&about, &settlement, &comparison).unwrap();
        said.into_iter().next().map(|sentence| (sentence.zh, sentence.en)).unwrap_or_default()
    }
}

#[test]
fn every_row_is_told_in_its_own_words_in_both_languages() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/sentences.json");
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let told: Vec<_> = cases.iter().map(|case| (&case.name, case.said())).collect();
    let expected: Vec<_> = cases.iter().map(|case| (&case.name, (case.zh.clone(), case.en.clone()))).collect();
    assert_eq!(told, expected);
}
