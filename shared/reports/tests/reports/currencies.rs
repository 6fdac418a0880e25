use crate::fixture::{RULEBOOK, run, settlement};
use crate::workbooks::{cells, part, rows};
use interline_domain::terms::rulebook::Rulebook;
use interline_reports::document::Comparison;
use interline_reports::manifest::RunKind;
use interline_reports::pack::{PackFile, render};

/// The fixture's minor units as those of another currency.
fn files_in(code: &str) -> Vec<PackFile> {
    let text = RULEBOOK.replace("\"CNY\"", &format!("{code:?}"));
    let (run, rulebook, settlement) = (run(RunKind::Final), Rulebook::parse(&text).unwrap(), settlement());
    let comparison = Comparison::of(&rulebook, &run, &settlement, None, None).unwrap();
    render(&run, &rulebook, &text, &[], &settlement, &comparison).unwrap()
}

#[test]
fn workbooks_have_amounts_in_currency_units_with_the_currency_s_decimals() {
    for (code, word, format, finer, payable, gross) in [
        ("JPY", "JPY", "#,##0", "#,##0.0", "1333332", "1335950"),
        ("CNY", "RMB", "#,##0.00", "#,##0.000", "13333.32", "13359.50"),
        ("KWD", "KWD", "#,##0.000", "#,##0.0000", "1333.332", "1335.950"),
    ] {
        let files = files_in(code);
        let file = |path: &str| files.iter().find(|file| file.entry.path == path).unwrap();
        for path in ["settlement.xlsx", "erp/kingdee-dining.xlsx"] {
            let styles = part(&file(path).bytes, "xl/styles.xml");
            assert!(styles.contains(&format!("formatCode=\"{format}\"")), "{code} {path}: {styles}");
            assert!(!styles.contains(finer), "{code} {path}");
        }
        let kingdee = rows(&file("erp/kingdee-dining.xlsx").bytes, 1);
        assert_eq!((&*kingdee[2][8], &*kingdee[2][9]), (payable, word));
        let positions = cells(&file("settlement.xlsx").bytes, 2);
        let totals = &file("positions.csv").entry.totals;
        assert_eq!(totals["gross_payable"], gross);
        assert_eq!(positions.last().unwrap()[1].value, gross, "{code}");
    }
}

#[test]
fn pages_and_files_have_no_decimals_where_the_currency_has_none() {
    let files = files_in("JPY");
    let text = |path: &str| {
        let file = files.iter().find(|file| file.entry.path == path).unwrap();
        String::from_utf8(file.bytes.clone()).unwrap()
    };
    let statement = text("statement.html");
    assert!(statement.contains("<dd>1,340,809<small>"), "{statement}");
    let orders = text("erp/pain.001-dining.xml");
    assert!(orders.contains("<InstdAmt Ccy=\"JPY\">"));
    // Abroad a name is in Latin letters.
    assert!(orders.contains("<Nm>Diner Zurich - Dining Ltd</Nm>") && orders.contains("<Nm>Malls (+ more) Ltd</Nm>"));
    for path in ["positions.csv", "bilateral.csv", "payments.csv", "vouchers.csv", "lines/mall/statement.csv"] {
        assert!(!text(path).contains('.'), "{path}");
    }
}
