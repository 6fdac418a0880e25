//! The files of a run, read the way their readers read them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper may fail its test")]

#[path = "reports/comparisons.rs"]
mod comparisons;
#[path = "reports/currencies.rs"]
mod currencies;
#[path = "reports/disclosure.rs"]
mod disclosure;
#[path = "reports/erp.rs"]
mod erp;
#[path = "reports/fixture.rs"]
mod fixture;
#[path = "reports/formulas.rs"]
mod formulas;
#[path = "reports/orders.rs"]
mod orders;
#[path = "reports/pages.rs"]
mod pages;
#[path = "reports/sentences.rs"]
mod sentences;
#[path = "reports/workbooks.rs"]
mod workbooks;

use fixture::{RULEBOOK, cash_vouchers, rulebook, run, settlement};
use interline_domain::close::settlement::Settlement;
use interline_reports::document::Comparison;
use interline_reports::manifest::RunKind;
use interline_reports::pack::{PackFile, render};
use interline_reports::report::{Report, Scope};
use interline_reports::reports::REPORTS;
use interline_reports::words::Words;
use std::collections::{BTreeMap, BTreeSet};

/// The pack of the fixture by path.
fn pack(kind: RunKind) -> BTreeMap<String, Vec<u8>> {
    files(kind).into_iter().map(|file| (file.entry.path, file.bytes)).collect()
}

fn files(kind: RunKind) -> Vec<PackFile> {
    let (run, rulebook, settlement) = (run(kind), rulebook(), settlement());
    let comparison = Comparison::of(&rulebook, &run, &settlement, None, None).unwrap();
    render(&run, &rulebook, RULEBOOK, &[], &settlement, &comparison).unwrap()
}

#[test]
fn a_final_run_has_every_report_once_and_a_trial_nothing_to_post_or_pay() {
    let of_line = |line: &str, more: &[&str]| {
        let always = ["statement.csv", "statement.html"];
        always.iter().chain(more).map(|file| format!("lines/{line}/{file}")).collect::<Vec<_>>()
    };
    let root = [
        "back-test.csv",
        "bilateral.csv",
        "close-checklist.csv",
        "comparison.json",
        "consolidation.csv",
        "debts.csv",
        "disclosure.csv",
        "expiry-forecast.csv",
        "invoices.csv",
        "issuance.csv",
        "liability-roll-forward.csv",
        "payments.csv",
        "points-roll-forward.csv",
        "positions.csv",
        "provision-roll-forward.csv",
        "redemption-rates.csv",
        "rulebook.toml",
        "sentences.csv",
        "settlement.json",
        "settlement.xlsx",
        "splits.csv",
        "statement.html",
        "vouchers.csv",
    ];
    let mut trial: Vec<String> = root.map(str::to_owned).into();
    trial.extend(of_line("dining", &["liability-roll-forward.csv", "payments.csv", "sentences.csv"]));
    trial.extend(of_line("group", &["payments.csv"]));
    trial.extend(of_line("hotel_1", &["payments.csv"]));
    trial.extend(of_line("mall", &["liability-roll-forward.csv", "payments.csv", "sentences.csv"]));
    let mut last = trial.clone();
    last.extend(
        [
            "kingdee-dining.xlsx",
            "kingdee-hotel_1.xlsx",
            "pain.001-dining.xml",
            "yonyou-u8-dining.txt",
            "yonyou-u8-hotel_1.txt",
        ]
        .map(|file| format!("erp/{file}")),
    );
    for (kind, mut expected) in [(RunKind::Trial, trial), (RunKind::Final, last)] {
        let mut found: Vec<String> = files(kind).into_iter().map(|file| file.entry.path).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
}

#[test]
fn vouchers_of_payments_are_in_files_of_their_own() {
    let (run, rulebook) = (run(RunKind::Final), rulebook());
    let settlement = Settlement { cash_vouchers: cash_vouchers(), ..settlement() };
    let comparison = Comparison::of(&rulebook, &run, &settlement, None, None).unwrap();
    let files = render(&run, &rulebook, RULEBOOK, &[], &settlement, &comparison).unwrap();
    let files: BTreeMap<String, Vec<u8>> = files.into_iter().map(|file| (file.entry.path, file.bytes)).collect();
    let without: BTreeSet<String> = pack(RunKind::Final).into_keys().collect();
    let more: Vec<&str> = files.keys().filter(|path| !without.contains(*path)).map(String::as_str).collect();
    assert_eq!(more, ["cash-vouchers.csv", "erp/cash-kingdee-dining.xlsx", "erp/cash-yonyou-u8-dining.txt"]);
    assert_eq!(files["vouchers.csv"], pack(RunKind::Final)["vouchers.csv"]);
    let cash = String::from_utf8(files["cash-vouchers.csv"].clone()).unwrap();
    assert!(cash.contains("\r\ndining,2017-03-14,3,payment,2,"), "{cash}");
    assert!(cash.contains(",100201,清算户,bank,0.00,1.00,hotel_1,,,,,记-3,no,银行存款-清算户\r\n"), "{cash}");
    let page = String::from_utf8(files["statement.html"].clone()).unwrap();
    assert!(page.contains("href=\"erp/cash-kingdee-dining.xlsx\""));
}

#[test]
fn a_voucher_line_says_its_codes_its_number_and_whether_it_is_red() {
    let csv = String::from_utf8(pack(RunKind::Final).remove("vouchers.csv").unwrap()).unwrap();
    let rows: Vec<&str> = csv.trim_start_matches('\u{feff}').lines().collect();
    assert!(rows[0].ends_with(",counterparty,customer,supplier,department,project,number,red,full_name"), "{csv}");
    assert!(rows[2].ends_with(",13333.32,hotel_1,,G005,D04,P01,记-1,no,其他应付款-积分清算"), "{csv}");
    assert!(rows[3].ends_with(",0.00,-333.00,hotel_1,,,,,记-1,yes,主营业务收入-积分代理净额"), "{csv}");
}

#[test]
fn the_consolidation_has_entries_of_two_accounts_that_sum_to_nothing() {
    let csv = String::from_utf8(pack(RunKind::Final).remove("consolidation.csv").unwrap()).unwrap();
    let rows: Vec<&str> = csv.trim_start_matches('\u{feff}').lines().collect();
    let expected = [
        "kind,entity_a,role_a,account_a,amount_a,entity_b,role_b,account_b,amount_b,sum",
        "position,dining,payable,224101,13332.32,hotel_1,receivable,122101,0.00,13332.32",
        "position,hotel_1,payable,224101,0.00,hotel_1,receivable,122101,-12345.67,-12345.67",
        "position,dining,clearing_payable,224102,1.00,hotel_1,clearing_receivable,122102,0.00,1.00",
        "reclass,dining,agent_revenue,600103,-333.00,dining,points_revenue,600102,333.00,0.00",
        "reclass,hotel_1,settlement_revenue,600105,11646.86,hotel_1,points_revenue,600102,-11646.86,0.00",
    ];
    // The fixture's books do not tie; what they say of one another is told as it is.
    assert_eq!(rows, expected);
}

#[test]
fn the_same_settlement_gives_the_same_bytes() {
    for (one, other) in files(RunKind::Final).into_iter().zip(files(RunKind::Final)) {
        assert_eq!(one.entry.path, other.entry.path);
        assert!(one.bytes == other.bytes, "{}", one.entry.path);
    }
}

/// Reads a CSV file and adds up the named column, in minor units.
fn column_sum(csv: &[u8], column: &str) -> i128 {
    let text = csv.strip_prefix(b"\xEF\xBB\xBF").unwrap();
    let mut reader = csv::Reader::from_reader(text);
    let at = reader.headers().unwrap().iter().position(|name| name == column).unwrap();
    let minor = |text: &str| text.replace('.', "").parse::<i128>().unwrap();
    reader.records().map(|record| minor(record.unwrap().get(at).unwrap())).sum()
}

#[test]
fn csv_totals_of_the_manifest_are_the_sums_of_the_columns() {
    let mut sums = 0;
    for file in files(RunKind::Final).iter().filter(|file| file.entry.path.ends_with(".csv")) {
        for (column, total) in file.entry.totals.iter().filter(|(_, total)| total.contains('.')) {
            let total: i128 = total.replace('.', "").parse().unwrap();
            assert_eq!(column_sum(&file.bytes, column), total, "{}: {column}", file.entry.path);
            sums += 1;
        }
    }
    assert!(sums > 30, "{sums}");
}

/// What would be the sum of unlike things is in no total.
#[test]
fn a_column_adds_up_only_where_its_sum_means_something() {
    let files = files(RunKind::Final);
    let totals = |path: &str| {
        let file = files.iter().find(|file| file.entry.path == path).unwrap();
        file.entry.totals.keys().map(String::as_str).collect::<Vec<_>>()
    };
    assert_eq!(totals("bilateral.csv"), ["amount", "points", "prior_period"]);
    assert_eq!(totals("splits.csv"), ["amount"]);
    assert_eq!(totals("redemption-rates.csv"), ["issued", "ultimate"]);
    assert_eq!(totals("close-checklist.csv"), [""; 0]);
    let statement =
        ["net", "payable_amount", "payable_points", "prior_period", "receivable_amount", "receivable_points"];
    assert_eq!(totals("lines/mall/statement.csv"), statement);
    // Under the checklist there is no row of totals at all.
    let workbook = &files.iter().find(|file| file.entry.path == "settlement.xlsx").unwrap().bytes;
    let checks = workbooks::rows(workbook, workbooks::place("close-checklist"));
    assert_eq!(checks.len(), 1 + settlement().checklist.len());
}

#[test]
fn every_report_stands_in_the_readme_and_is_described_in_both_languages() {
    let is_once = |of: &&&Report| of.is_of_programme() || of.scope == Scope::OfSchemes;
    let names: BTreeSet<String> = REPORTS.iter().filter(is_once).map(|of| of.file()).collect();
    for readme in [include_str!("../../../README.md"), include_str!("../../../README.zh-CN.md")] {
        let rows = readme.lines().filter(|line| line.starts_with("| `"));
        let cells = rows.filter_map(|row| row.split('|').nth(1));
        let told = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).filter(|name| name.ends_with(".csv"));
        let mut told: BTreeSet<String> = told.map(str::to_owned).collect();
        // Not of the settlement, but of what was changed for past days.
        assert!(told.remove("rulebook-changes.csv"));
        // Only where payments are planned, or were made.
        assert!(told.remove("cash-vouchers.csv"));
        assert_eq!(told, names);
    }
    for report in REPORTS {
        let Words { zh, en } = &report.title;
        assert!(zh.chars().count() + en.chars().count() < 31 && zh != en, "{zh} {en}");
        let mut columns = BTreeSet::new();
        for column in report.columns {
            assert!(columns.insert(column.name), "{}: {} is there twice", report.name, column.name);
            let is_chinese = |letter: char| !letter.is_ascii();
            assert!(column.words.zh.chars().any(is_chinese), "{}: {}", report.name, column.name);
            assert!(!column.words.en.is_empty() && !column.words.en.chars().any(is_chinese));
        }
    }
}

#[test]
fn the_triangle_has_a_column_for_each_age_of_the_oldest_cohort() {
    let csv = String::from_utf8(pack(RunKind::Final).remove("redemption-rates.csv").unwrap()).unwrap();
    let mut lines = csv.trim_start_matches('\u{feff}').lines();
    assert_eq!(
        lines.next().unwrap(),
        "funder,issue_month,expires,age,issued,redeemed_age_0,redeemed_age_1,factor_age_0,\
         basis,reason,ultimate,urr,chain_ladder,standard_error,chain_ladder_low,chain_ladder_high,cape_cod,additive,\
         survival,actual,expected,actual_to_expected"
    );
    assert_eq!(
        lines.next().unwrap(),
        "dining,2017-01,2018-01-31,1,500000,11000,27308,2.482545,experience,,480000,0.96,,,,,,,,16308,15000.12,1.087191"
    );
    assert_eq!(
        lines.next().unwrap(),
        "dining,2017-02,2018-02-28,0,400000,9000,,2.482545,experience,,400000,1,,,,,,,,16308,15000.12,1.087191"
    );
}

#[test]
fn the_liability_sheet_ties_and_splits_current_from_non_current() {
    let csv = pack(RunKind::Final).remove("liability-roll-forward.csv").unwrap();
    let sum = |column| column_sum(&csv, column);
    let out = ["own_line_revenue", "to_payable", "agent_revenue", "expired", "re_estimate", "reversed"];
    assert_eq!(sum("opening") + sum("added") - out.map(sum).iter().sum::<i128>(), sum("closing"));
    assert_eq!(sum("current_part") + sum("non_current_part"), sum("closing"));
    let text = String::from_utf8(csv).unwrap();
    assert!(text.contains(",0.96,1,manual,catch-up,'=agreed with the auditor\r\n"), "{text}");
    assert!(text.contains(",0.96,,manual,"), "a new cohort has no previous rate: {text}");
}
