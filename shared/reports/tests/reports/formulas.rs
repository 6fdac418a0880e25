//! Text that a spreadsheet would take for a formula, in every place that somebody outside may fill.

use crate::fixture::{RULEBOOK, run, settlement};
use crate::workbooks::{cells, part};
use encoding_rs::GB18030;
use interline_domain::close::settlement::RateBasis;
use interline_domain::close::settlement::Settlement;
use interline_domain::terms::rulebook::Rulebook;
use interline_reports::document::Comparison;
use interline_reports::manifest::RunKind;
use interline_reports::pack::render;
use std::collections::BTreeSet;

/// Those that a rulebook may have in a name, and those that it may not.
const IN_NAMES: [&str; 6] =
    ["=HYPERLINK(\"http://x.example\",\"y\")", "+1+1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", "＝1+1", "＋1"];
const NOT_IN_NAMES: [&str; 3] = ["\t=1", "\r=1", "\n=1"];

fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}

fn is_negative_number(cell: &str) -> bool {
    let digits = cell.strip_prefix('-').unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// The rulebook of the fixture with a text in every field that takes any.
fn rulebook(planted: &str) -> String {
    let fields = [
        ("name", "Points & \\\"Perks\\\" <Group>"),
        ("name", "Headquarters"),
        ("name_zh", "集团总部"),
        ("name", "Malls <& more>"),
        ("name_zh", "商场"),
        ("entity", "示例商场有限公司"),
        ("bank_account", "6217-0000-0000-0002"),
        ("name", "Dining"),
        ("name_zh", "餐饮"),
        ("legal_name", "示例餐饮有限公司"),
        ("bank_name", "招商银行上海分行"),
    ];
    let text = fields.iter().fold(RULEBOOK.to_owned(), |text, (field, value)| {
        let old = format!("{field} = \"{value}\"");
        assert!(text.contains(&old), "{old}");
        text.replacen(&old, &format!("{field} = {planted:?}"), 1)
    });
    format!("{text}\n[accounts]\npayable = {{ code = \"2202\", name = {planted:?} }}\n")
}

fn planted_in(settlement: &mut Settlement, planted: &str) {
    for line in settlement.vouchers.iter_mut().flat_map(|voucher| &mut voucher.lines) {
        line.summary = planted.to_owned();
        line.account_name = planted.to_owned();
    }
    for row in &mut settlement.liability {
        row.basis = RateBasis::Manual { reason: planted.to_owned() };
    }
    for row in &mut settlement.redemption_rates {
        row.basis = RateBasis::Manual { reason: planted.to_owned() };
    }
    for row in &mut settlement.splits {
        row.rule = planted.to_owned();
    }
    for check in &mut settlement.checklist {
        check.expected = planted.to_owned();
        check.actual = planted.to_owned();
    }
}

fn csv_is_guarded(path: &str, bytes: &[u8], planted: &str) -> usize {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text);
    let guarded = format!("'{planted}");
    let mut found = 0;
    for record in reader.records() {
        for cell in &record.unwrap() {
            assert!(!is_formula(cell) || is_negative_number(cell), "{path}: {cell:?}");
            found += usize::from(cell == guarded);
        }
    }
    found
}

/// The only formulas are the totals, the only links those within, and what is planted is text.
fn workbook_is_guarded(path: &str, bytes: &[u8], sheets: usize, planted: &str) -> usize {
    let mut found = 0;
    for sheet in 1..=sheets {
        for cell in cells(bytes, sheet).into_iter().flatten() {
            assert!(cell.formula.is_empty() || cell.formula.starts_with("SUM("), "{path}: {cell:?}");
            // Excel writes control characters so.
            let value = cell.value.replace("_x0009_", "\t").replace("_x000D_", "\r").replace("_x000A_", "\n");
            if value.trim_start() == planted.trim_start() {
                assert_eq!(cell.kind, "s", "{path}: {cell:?}");
                found += 1;
            }
        }
        let xml = part(bytes, &format!("xl/worksheets/sheet{sheet}.xml"));
        assert!(xml.matches("<hyperlink ").count() == xml.matches(" location=\"").count(), "{path} links elsewhere");
    }
    found
}

#[test]
fn no_text_of_any_file_becomes_a_formula() {
    for planted in IN_NAMES.into_iter().chain(NOT_IN_NAMES) {
        let text = match NOT_IN_NAMES.contains(&planted) {
            false => rulebook(planted),
            true => {
                let errors = Rulebook::parse(&rulebook(planted)).unwrap_err().to_string();
                assert_eq!(errors.matches("printable characters").count(), 11, "{errors}");
                RULEBOOK.to_owned()
            }
        };
        let mut settlement = settlement();
        planted_in(&mut settlement, planted);
        let mut guarded = BTreeSet::new();
        let (run, rulebook) = (run(RunKind::Final), Rulebook::parse(&text).unwrap());
        let comparison = Comparison::of(&rulebook, &run, &settlement, None, None).unwrap();
        for file in render(&run, &rulebook, &text, &[], &settlement, &comparison).unwrap() {
            let (path, bytes) = (file.entry.path.as_str(), &file.bytes);
            let found = match path.rsplit_once('.').unwrap().1 {
                "csv" => csv_is_guarded(path, bytes, planted),
                "xlsx" => workbook_is_guarded(path, bytes, if path.starts_with("erp/") { 1 } else { 13 }, planted),
                // Rows of an accounting program, which people open in a spreadsheet too.
                "txt" => {
                    let text = GB18030.decode(bytes).0.into_owned();
                    let cells: Vec<&str> = text.lines().flat_map(|row| row.split(',')).collect();
                    let guarded = |cell: &&str| !is_formula(cell) || is_negative_number(cell);
                    assert!(cells.iter().all(guarded), "{path}: {text}");
                    cells.iter().filter(|cell| cell.starts_with('\'')).count()
                }
                _ => 0,
            };
            if found > 0 {
                guarded.insert(path.to_owned());
            }
        }
        for path in [
            "close-checklist.csv",
            "liability-roll-forward.csv",
            "redemption-rates.csv",
            "splits.csv",
            "vouchers.csv",
            "settlement.xlsx",
            "lines/dining/liability-roll-forward.csv",
            "erp/kingdee-dining.xlsx",
            "erp/yonyou-u8-dining.txt",
        ] {
            assert!(guarded.contains(path), "{planted:?} was looked for in vain in {path}: {guarded:?}");
        }
        if !NOT_IN_NAMES.contains(&planted) {
            assert!(guarded.contains("payments.csv") && guarded.contains("lines/mall/payments.csv"), "{guarded:?}");
        }
    }
}
