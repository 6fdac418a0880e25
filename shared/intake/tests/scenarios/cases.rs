//! The worked cases of the second computation: this program, too, comes to what their files say.

use crate::world::World;
use interline_domain::close::settlement::{Settlement, TaxBase, TaxKey};
use interline_domain::terms::rulebook::{Account, Product, Rulebook};
use interline_domain::terms::vat::{added, contained};
use interline_domain::units::calendar::Period;
use interline_domain::units::currency::Currency;
use interline_domain::units::id::LineId;
use interline_domain::units::money::{Money, Points};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What the keys mean is said in `tests/second`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rulebook: String,
    months: Vec<Month>,
}

#[derive(Deserialize)]
struct Month {
    month: String,
    events: String,
    /// By `line product`.
    #[serde(default)]
    tax: BTreeMap<String, String>,
    /// E by `funder month`.
    #[serde(default)]
    e: BTreeMap<String, String>,
    /// The rate of new points by funder.
    #[serde(default)]
    new: BTreeMap<String, String>,
    /// By funder: what is not zero.
    #[serde(flatten)]
    funders: BTreeMap<String, BTreeMap<String, String>>,
}

/// Every column by name; the opening is the closing before.
fn columns(settlement: &Settlement, funder: &LineId, currency: Currency) -> BTreeMap<&'static str, String> {
    let row = settlement.liability_by_funder().unwrap().get(funder).copied().unwrap_or_default();
    let provision = settlement.provision_by_funder().unwrap().get(funder).copied().unwrap_or_default();
    let of_funder = settlement.liability.iter().filter(|row| row.cohort.scheme == *funder);
    let open = Points::sum(of_funder.map(|row| row.outstanding)).unwrap();
    // What is lost with points that were spent, and what debtors' lines make good: one account, two events.
    let lines =
        settlement.vouchers.iter().filter(|voucher| voucher.entity == *funder).flat_map(|voucher| &voucher.lines);
    let loss_account = lines.filter(|line| line.role == Account::ClawbackLoss);
    let (mut loss, mut recovery) = (Money::ZERO, Money::ZERO);
    for line in loss_account {
        let amount = line.debit.minus(line.credit).unwrap();
        if amount.is_negative() { recovery.add(amount.negated().unwrap()) } else { loss.add(amount) }.unwrap();
    }
    let amounts = [
        ("added", row.added),
        ("own", row.own_line_revenue),
        ("payable", row.to_payable),
        ("agent", row.agent_revenue),
        ("breakage", row.breakage),
        ("re_estimate", row.re_estimate),
        ("remeasured", row.remeasured),
        ("expired", row.expired),
        ("reversed", row.reversed),
        ("closing", row.closing),
        ("undone", row.undone),
        ("loss", loss),
        ("recovery", recovery),
        ("granted", provision.granted),
        ("used_own", provision.used_own),
        ("used_other", provision.used_other),
        ("provision_payable", provision.to_payable),
        ("released", provision.released),
        ("taken_back", provision.reversed),
        ("provision", provision.closing),
    ];
    let amounts = amounts.into_iter().filter(|(_, amount)| !amount.is_zero());
    let mut found: BTreeMap<&str, String> =
        amounts.map(|(name, amount)| (name, currency.show(amount).to_string())).collect();
    if !open.is_zero() {
        found.insert("points_open", open.to_string());
    }
    found
}

/// The tax to date by line and product: of every key's base.
fn taxes(settlement: Option<&Settlement>) -> BTreeMap<String, Money> {
    let mut sums: BTreeMap<String, Money> = BTreeMap::new();
    for TaxBase { key, base } in settlement.into_iter().flat_map(|settlement| &settlement.state.taxes) {
        let TaxKey { seller, product, rate, inclusive, .. } = key;
        let parts = if *inclusive { contained(*base, *rate) } else { added(*base, *rate) };
        let product = product.map_or("sale", Product::word);
        sums.entry(format!("{seller} {product}")).or_default().add(parts.unwrap().tax).unwrap();
    }
    sums
}

#[test]
fn every_worked_case_comes_to_what_its_file_says_and_to_nothing_else() {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/second/goldens");
    let programme = std::fs::read_to_string(goldens.join("programme.toml")).unwrap();
    let mut files: Vec<_> =
        std::fs::read_dir(goldens.join("cases")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 12, "{files:?}");
    let mut differences = Vec::new();
    for path in files {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let case: Case =
            toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let rulebook = Rulebook::parse(&format!("{}{programme}", case.rulebook))
            .unwrap_or_else(|errors| panic!("{name}:\n{errors}"));
        let mut world = World::new(rulebook);
        let mut before: Option<Settlement> = None;
        for month in &case.months {
            let settlement = differing(&mut world, month, before.as_ref(), name, &mut differences);
            before = Some(settlement);
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn differing(
    world: &mut World,
    month: &Month,
    before: Option<&Settlement>,
    name: &str,
    differences: &mut Vec<String>,
) -> Settlement {
    let period = Period::parse(&month.month).unwrap();
    assert_eq!(world.read(month.events.trim_start(), period), [""; 0], "{name}: rows that are no events");
    let refused = world.refused();
    assert!(refused.is_empty(), "{name}: {refused:?}");
    let settlement = world.close(period);
    let mut compare = |what: String, found: &dyn std::fmt::Debug, expected: &dyn std::fmt::Debug| {
        let (found, expected) = (format!("{found:?}"), format!("{expected:?}"));
        if found != expected {
            differences.push(format!("{name}, {period}, {what}: {found} and not {expected}"));
        }
    };
    let failing: Vec<String> =
        settlement.checklist.iter().filter(|check| check.fails()).map(|check| check.check.to_string()).collect();
    compare("checks that fail".to_owned(), &failing, &[""; 0]);

    let rulebook = world.rulebook();
    let funders: BTreeSet<&str> = rulebook.lines.iter().map(|line| line.id.as_str()).collect();
    assert!(month.funders.keys().all(|funder| funders.contains(funder.as_str())), "{name}: {:?}", month.funders.keys());
    for funder in &rulebook.lines {
        let found = columns(&settlement, &funder.id, rulebook.currency);
        let expected = month.funders.get(funder.id.as_str()).cloned().unwrap_or_default();
        let expected: BTreeMap<&str, String> = expected
            .iter()
            .filter(|(name, _)| *name != "opening")
            .map(|(name, text)| (name.as_str(), text.clone()))
            .collect();
        compare(funder.id.to_string(), &found, &expected);
    }
    let (now, earlier) = (taxes(Some(&settlement)), taxes(before));
    for (key, text) in &month.tax {
        let of = |taxes: &BTreeMap<String, Money>| taxes.get(key).copied().unwrap_or_default();
        let found = of(&now).minus(of(&earlier)).unwrap();
        compare(format!("tax of {key}"), &rulebook.currency.show(found).to_string(), text);
    }
    for (key, text) in &month.e {
        let rows = settlement.liability.iter();
        let found = rows.filter(|row| format!("{} {}", row.cohort.scheme, row.cohort.issued) == *key);
        let found: Vec<i128> = found.map(|row| row.expected.get()).collect();
        compare(format!("E of {key}"), &found, &[text.replace('.', "").parse::<i128>().unwrap()]);
    }
    for (funder, text) in &month.new {
        let rates = settlement.state.urr.rates.in_month(period.next());
        let found = rates.filter(|(scheme, ..)| scheme.as_str() == funder).map(|(.., rate)| rate.to_string());
        compare(format!("rate of new points of {funder}"), &found.collect::<Vec<_>>(), &[text]);
    }
    settlement
}
