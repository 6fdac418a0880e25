use crate::{pack, workbooks};
use encoding_rs::GB18030;
use interline_reports::erp::{kingdee, yonyou};
use interline_reports::manifest::RunKind;

fn minor(text: &str) -> i64 {
    let (units, cents) = text.split_once('.').unwrap();
    assert_eq!(cents.len(), 2, "{text}");
    format!("{units}{cents}").parse().unwrap()
}

#[test]
fn yonyou_rows_keep_its_lengths_and_each_voucher_together() {
    let pack = pack(RunKind::Final);
    let (text, _, failed) = GB18030.decode(&pack["erp/yonyou-u8-dining.txt"]);
    assert!(!failed);
    let mut rows = text.lines();
    assert_eq!(rows.next(), Some(yonyou::FIRST_ROW));
    let mut vouchers: Vec<(String, i64)> = Vec::new();
    for row in rows {
        let fields: Vec<&str> = row.split(',').collect();
        let [date, word, number, attachments, summary, account, debit, credit, _, _, _, maker, ..] = fields[..] else {
            panic!("{row}")
        };
        assert_eq!((maker, fields.len()), ("Interline", 21 + 27), "{row}");
        assert!(row.ends_with(",,,,,,,0,,0,,,,,,,,,0,0,0,0,0,,0,0,0,0"), "{row}");
        let bytes = |text: &str| GB18030.encode(text).0.len();
        assert_eq!((date, word, attachments), ("2017-02-28", "记", "0"));
        assert!(bytes(number) <= 30 && bytes(summary) <= 60 && bytes(account) <= 15, "{row}");
        assert!(debit.len() <= 17 && credit.len() <= 17);
        let (debit, credit) = (minor(debit), minor(credit));
        assert!((debit == 0) != (credit == 0), "{row}");
        // Department, customer, supplier, project.
        let codes = [15, 17, 18, 20].map(|at| fields[at]);
        assert_eq!(codes, if credit == 1_333_332 { ["D04", "", "G005", "P01"] } else { [""; 4] });
        match vouchers.last_mut() {
            Some((last, balance)) if *last == number => *balance += debit - credit,
            _ => {
                assert!(vouchers.iter().all(|(other, _)| other != number), "voucher {number} is torn apart");
                vouchers.push((number.to_owned(), debit - credit));
            }
        }
    }
    assert_eq!(vouchers, [("0001".to_owned(), 0), ("0002".to_owned(), 0)]);
    assert!(text.ends_with("\r\n"));
}

#[test]
fn kingdee_rows_have_its_columns_and_codes_as_text() {
    let rows = workbooks::rows(&pack(RunKind::Final)["erp/kingdee-dining.xlsx"], 1);
    assert_eq!(rows[0], kingdee::COLUMNS.map(str::to_owned));
    assert_eq!(rows.len(), 6);
    let summary = "2017-02 他业态兑换, \"酒店\" 及其他往来单位的积分兑换结算款项确认及结转说明";
    let items = "供应商---G005---酒店;部门---D04---餐饮;项目---P01---餐饮";
    let payable = [
        "42794",
        "记",
        "1",
        "0",
        summary,
        "224101",
        "积分清算",
        "",
        "13333.32",
        "RMB",
        "1",
        "",
        "",
        "Interline",
        "",
        "",
        items,
    ];
    assert_eq!(rows[2], payable.map(str::to_owned));
}
