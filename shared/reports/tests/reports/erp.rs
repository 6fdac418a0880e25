use crate::fixture::{period, rulebook, settlement};
use crate::{pack, workbooks};
use encoding_rs::GB18030;
use interline_reports::about::About;
use interline_reports::erp::{kingdee, pain, yonyou};
use interline_reports::manifest::{RunKind, RunName};
use quick_xml::Reader;
use quick_xml::events::Event;
use std::collections::BTreeSet;

/// An element with its text and children, as far as the rules need it.
#[derive(Debug, Default)]
struct Element {
    name: String,
    text: String,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
}

impl Element {
    fn parse(xml: &[u8]) -> Self {
        let mut reader = Reader::from_reader(xml);
        let mut open = vec![Element::default()];
        let mut buffer = Vec::new();
        loop {
            match reader.read_event_into(&mut buffer).unwrap() {
                Event::Start(start) => open.push(Element {
                    name: String::from_utf8(start.name().as_ref().to_vec()).unwrap(),
                    attributes: start
                        .attributes()
                        .map(|attribute| {
                            let attribute = attribute.unwrap();
                            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                            (text(attribute.key.as_ref()), text(&attribute.value))
                        })
                        .collect(),
                    ..Element::default()
                }),
                Event::Text(text) => {
                    let text = std::str::from_utf8(&text).unwrap();
                    open.last_mut().unwrap().text.push_str(text.trim());
                }
                Event::GeneralRef(reference) => panic!("nothing of the message needs escaping: {reference:?}"),
                Event::End(_) => {
                    let closed = open.pop().unwrap();
                    open.last_mut().unwrap().children.push(closed);
                }
                Event::Eof => break,
                Event::Decl(_) => {}
                other => panic!("a message has elements and text only: {other:?}"),
            }
            buffer.clear();
        }
        let mut root = open.pop().unwrap();
        assert_eq!(root.children.len(), 1, "one root element");
        root.children.remove(0)
    }

    fn all<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    fn at(&self, path: &[&str]) -> &Element {
        let mut element = self;
        for name in path {
            let child = element.children.iter().find(|child| child.name == *name);
            element = child.unwrap_or_else(|| panic!("{} has no {name}", element.name));
        }
        element
    }

    fn walk(&self, visit: &mut dyn FnMut(&Element)) {
        visit(self);
        self.children.iter().for_each(|child| child.walk(visit));
    }
}

/// Children in the schema's order; every element that the message uses.
const ORDER: [(&str, &[&str]); 16] = [
    ("Document", &["CstmrCdtTrfInitn"]),
    ("CstmrCdtTrfInitn", &["GrpHdr", "PmtInf"]),
    ("GrpHdr", &["MsgId", "CreDtTm", "NbOfTxs", "CtrlSum", "InitgPty"]),
    (
        "PmtInf",
        &["PmtInfId", "PmtMtd", "NbOfTxs", "CtrlSum", "ReqdExctnDt", "Dbtr", "DbtrAcct", "DbtrAgt", "CdtTrfTxInf"],
    ),
    ("CdtTrfTxInf", &["PmtId", "Amt", "Cdtr", "CdtrAcct", "RmtInf"]),
    ("ReqdExctnDt", &["Dt"]),
    ("PmtId", &["EndToEndId"]),
    ("Amt", &["InstdAmt"]),
    ("InitgPty", &["Nm"]),
    ("Dbtr", &["Nm"]),
    ("Cdtr", &["Nm"]),
    ("DbtrAcct", &["Id"]),
    ("CdtrAcct", &["Id"]),
    ("DbtrAgt", &["FinInstnId"]),
    ("FinInstnId", &["Othr"]),
    ("RmtInf", &["Ustrd"]),
];

/// Lengths of text elements. `Id` is an account's or a bank's: Max34Text the shorter.
const LENGTHS: [(&str, usize); 8] = [
    ("MsgId", 35),
    ("PmtInfId", 35),
    ("EndToEndId", 35),
    ("Nm", 140),
    ("Ustrd", 140),
    ("Id", 34),
    ("NbOfTxs", 15),
    ("CtrlSum", 19),
];

fn minor(text: &str) -> i64 {
    let (units, cents) = text.split_once('.').unwrap();
    assert_eq!(cents.len(), 2, "{text}");
    format!("{units}{cents}").parse().unwrap()
}

fn check_schema_rules(message: &Element) {
    message.walk(&mut |element| {
        let expected = ORDER.iter().find(|(name, _)| *name == element.name).map(|(_, children)| *children);
        let children: Vec<&str> = element.children.iter().map(|child| child.name.as_str()).collect();
        if let Some(expected) = expected {
            let places = children.iter().map(|child| {
                expected.iter().position(|name| name == child).unwrap_or_else(|| panic!("{child} in {}", element.name))
            });
            assert!(places.is_sorted(), "{}: {children:?}", element.name);
            let present: BTreeSet<&&str> = children.iter().collect();
            assert_eq!(present.len(), expected.len(), "{} lacks an element: {children:?}", element.name);
        } else if !children.is_empty() {
            assert!(matches!(element.name.as_str(), "Id" | "Othr"), "{}", element.name);
        }
        if element.children.is_empty() {
            assert!(!element.text.is_empty(), "{} is empty", element.name);
            let most = LENGTHS.iter().find(|(name, _)| *name == element.name).map_or(35, |(_, most)| *most);
            assert!(element.text.len() <= most, "{}: {}", element.name, element.text);
            let allowed = |letter: char| letter.is_ascii_alphanumeric() || " /-?:().,'+".contains(letter);
            assert!(element.text.chars().all(allowed), "{}: {}", element.name, element.text);
            let slashes = element.text.starts_with('/') || element.text.ends_with('/') || element.text.contains("//");
            assert!(!slashes, "{}: {}", element.name, element.text);
        }
    });
    let initiation = message.at(&["CstmrCdtTrfInitn"]);
    let mut sum = 0;
    let mut count = 0;
    let mut ids = BTreeSet::new();
    for batch in initiation.all("PmtInf") {
        assert_eq!(batch.at(&["PmtMtd"]).text, "TRF");
        assert!(ids.insert(&batch.at(&["PmtInfId"]).text), "a batch id twice");
        let mut batch_sum = 0;
        let mut batch_count = 0;
        for transfer in batch.all("CdtTrfTxInf") {
            let amount = transfer.at(&["Amt", "InstdAmt"]);
            assert_eq!(amount.attributes, [("Ccy".to_owned(), "CNY".to_owned())]);
            assert!(minor(&amount.text) > 0);
            batch_sum += minor(&amount.text);
            batch_count += 1;
            assert!(ids.insert(&transfer.at(&["PmtId", "EndToEndId"]).text), "an end-to-end id twice");
        }
        assert!(batch_count > 0);
        assert_eq!(batch.at(&["NbOfTxs"]).text, batch_count.to_string());
        assert_eq!(minor(&batch.at(&["CtrlSum"]).text), batch_sum);
        sum += batch_sum;
        count += batch_count;
    }
    assert_eq!(initiation.at(&["GrpHdr", "NbOfTxs"]).text, count.to_string());
    assert_eq!(minor(&initiation.at(&["GrpHdr", "CtrlSum"]).text), sum);
}

#[test]
fn the_payment_message_keeps_the_rules_of_its_schema() {
    let message = Element::parse(&pack(RunKind::Final)["erp/pain.001.xml"]);
    let namespace = ("xmlns".to_owned(), "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09".to_owned());
    assert_eq!(message.attributes, [namespace]);
    check_schema_rules(&message);

    let initiation = message.at(&["CstmrCdtTrfInitn"]);
    let header = initiation.at(&["GrpHdr"]);
    assert_eq!(header.at(&["MsgId"]).text, "IL-2017-02-v1-c95dcb77");
    assert_eq!(header.at(&["CreDtTm"]).text, "2017-03-01T00:00:00+08:00", "the period's end, no clock");
    let batch = initiation.at(&["PmtInf"]);
    assert_eq!(batch.at(&["ReqdExctnDt", "Dt"]).text, "2017-03-14", "the tenth weekday");
    assert_eq!(
        batch.at(&["DbtrAcct", "Id", "Othr", "Id"]).text,
        "NOTPROVIDED",
        "an account that would have to be altered is none"
    );
    let creditors: Vec<(&str, &str)> = batch
        .all("CdtTrfTxInf")
        .map(|transfer| {
            let text = |path: &[&str]| transfer.at(path).text.as_str();
            (text(&["Cdtr", "Nm"]), text(&["CdtrAcct", "Id", "Othr", "Id"]))
        })
        .collect();
    assert_eq!(
        creditors,
        [
            // A name without a Latin letter gives way to the line's code.
            ("hotel 1", "NOTPROVIDED"),
            ("Malls more", "6217-0000-0000-0002"),
            ("Headquarters", "6217-0000-0000-0001"),
        ]
    );
}

#[test]
fn long_run_names_are_cut_and_no_payment_gives_no_message() {
    let rulebook = rulebook();
    let long = RunName { kind: RunKind::Final, id: "v1/_".repeat(20) };
    let about = About { rulebook: &rulebook, period: period(), run: &long };
    let message = pain::message(&about, &settlement().payments).unwrap().unwrap();
    check_schema_rules(&Element::parse(&message));
    assert_eq!(pain::message(&about, &[]).unwrap(), None);
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
