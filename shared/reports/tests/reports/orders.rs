//! Payment orders, read as a bank reads them.

use crate::fixture::{RULEBOOK, period, rulebook, run, settlement};
use crate::pack;
use interline_domain::close::netting::Payment;
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::id::LineId;
use interline_domain::units::money::Money;
use interline_reports::about::About;
use interline_reports::erp::pain;
use interline_reports::manifest::RunKind;
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
                    open.last_mut().unwrap().text.push_str(text);
                }
                Event::GeneralRef(reference) => {
                    let letter = match std::str::from_utf8(&reference).unwrap() {
                        "amp" => "&",
                        "lt" => "<",
                        "gt" => ">",
                        other => panic!("&{other};"),
                    };
                    open.last_mut().unwrap().text.push_str(letter);
                }
                Event::End(_) => {
                    let mut closed = open.pop().unwrap();
                    closed.text = closed.text.trim().to_owned();
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

/// Children in the schema's order; every element that a message uses. The first letter says
/// whether it must be there.
const ORDER: [(&str, &[&str]); 17] = [
    ("Document", &["!CstmrCdtTrfInitn"]),
    ("CstmrCdtTrfInitn", &["!GrpHdr", "!PmtInf"]),
    ("GrpHdr", &["!MsgId", "!CreDtTm", "!NbOfTxs", "!CtrlSum", "!InitgPty"]),
    (
        "PmtInf",
        &[
            "!PmtInfId",
            "!PmtMtd",
            "!NbOfTxs",
            "!CtrlSum",
            "!ReqdExctnDt",
            "!Dbtr",
            "!DbtrAcct",
            "!DbtrAgt",
            "!CdtTrfTxInf",
        ],
    ),
    ("CdtTrfTxInf", &["!PmtId", "!Amt", "?CdtrAgt", "!Cdtr", "!CdtrAcct", "!RmtInf"]),
    ("ReqdExctnDt", &["!Dt"]),
    ("PmtId", &["!EndToEndId"]),
    ("Amt", &["!InstdAmt"]),
    ("InitgPty", &["?Nm"]),
    ("Dbtr", &["!Nm"]),
    ("Cdtr", &["!Nm"]),
    ("DbtrAcct", &["!Id"]),
    ("CdtrAcct", &["!Id"]),
    ("DbtrAgt", &["!FinInstnId"]),
    ("CdtrAgt", &["!FinInstnId"]),
    ("FinInstnId", &["?BICFI", "?ClrSysMmbId", "?Nm", "?Othr"]),
    ("ClrSysMmbId", &["!ClrSysId", "!MmbId"]),
];

/// Lengths of text elements in letters. `Id` is an account's or a bank's: Max34Text the shorter.
const LENGTHS: [(&str, usize); 10] = [
    ("MsgId", 35),
    ("PmtInfId", 35),
    ("EndToEndId", 35),
    ("Nm", 140),
    ("Ustrd", 140),
    ("Id", 34),
    ("IBAN", 34),
    ("Cd", 5),
    ("NbOfTxs", 15),
    ("CtrlSum", 19),
];

fn check_form(element: &Element) {
    let expected = ORDER.iter().find(|(name, _)| *name == element.name).map(|(_, children)| *children);
    let children: Vec<&str> = element.children.iter().map(|child| child.name.as_str()).collect();
    if let Some(expected) = expected {
        let place = |child: &&str| {
            let at = expected.iter().position(|name| name[1..] == **child);
            at.unwrap_or_else(|| panic!("{child} in {}", element.name))
        };
        assert!(children.iter().map(place).is_sorted(), "{}: {children:?}", element.name);
        let lacks = expected.iter().filter(|name| name.starts_with('!')).find(|name| !children.contains(&&name[1..]));
        assert_eq!(lacks, None, "{}: {children:?}", element.name);
    }
    if element.children.is_empty() && element.name != "InitgPty" {
        assert!(!element.text.is_empty(), "{} is empty", element.name);
        let most = LENGTHS.iter().find(|(name, _)| *name == element.name).map_or(35, |(_, most)| *most);
        assert!(element.text.chars().count() <= most, "{}: {}", element.name, element.text);
        if !matches!(element.name.as_str(), "Nm" | "Ustrd") {
            let allowed = |letter: char| letter.is_ascii_alphanumeric() || " /-?:().,'+".contains(letter);
            assert!(element.text.chars().all(allowed), "{}: {}", element.name, element.text);
        }
    }
}

fn minor(text: &str) -> i64 {
    text.replace('.', "").parse().unwrap()
}

/// What every bank asks of a file: its form, its sums, and ids that occur once.
fn check_schema_rules(message: &Element) {
    message.walk(&mut check_form);
    let initiation = message.at(&["CstmrCdtTrfInitn"]);
    let (mut sum, mut count, mut ids) = (0, 0, BTreeSet::new());
    for batch in initiation.all("PmtInf") {
        assert_eq!(batch.at(&["PmtMtd"]).text, "TRF");
        assert!(ids.insert(format!("batch {}", batch.at(&["PmtInfId"]).text)), "a batch id twice");
        let (mut batch_sum, mut batch_count) = (0, 0);
        for transfer in batch.all("CdtTrfTxInf") {
            let amount = minor(&transfer.at(&["Amt", "InstdAmt"]).text);
            assert!(amount > 0);
            (batch_sum, batch_count) = (batch_sum + amount, batch_count + 1);
            assert!(ids.insert(transfer.at(&["PmtId", "EndToEndId"]).text.clone()), "an end-to-end id twice");
        }
        assert_eq!(batch.at(&["NbOfTxs"]).text, batch_count.to_string());
        assert_eq!(minor(&batch.at(&["CtrlSum"]).text), batch_sum);
        (sum, count) = (sum + batch_sum, count + batch_count);
    }
    assert_eq!(initiation.at(&["GrpHdr", "NbOfTxs"]).text, count.to_string());
    assert_eq!(minor(&initiation.at(&["GrpHdr", "CtrlSum"]).text), sum);
}

fn messages(rulebook: &Rulebook, payments: &[Payment]) -> Vec<(String, Element)> {
    let run = run(RunKind::Final);
    let about = About { rulebook, period: period(), run: &run };
    let messages = pain::messages(&about, payments).unwrap();
    let parsed = messages.into_iter().map(|(path, bytes)| (path, Element::parse(&bytes)));
    let parsed: Vec<(String, Element)> = parsed.collect();
    parsed.iter().for_each(|(_, message)| check_schema_rules(message));
    parsed
}

fn payments(pairs: &[(&str, &str)]) -> Vec<Payment> {
    let line = |id: &str| LineId::parse(id).unwrap();
    let payment = |&(payer, payee): &(&str, &str)| Payment {
        payer: line(payer),
        payee: line(payee),
        amount: Money::from_minor(12_345),
    };
    pairs.iter().map(payment).collect()
}

#[test]
fn a_message_names_holders_accounts_and_banks() {
    let message = Element::parse(&pack(RunKind::Final)["erp/pain.001-dining.xml"]);
    let namespace = ("xmlns".to_owned(), "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09".to_owned());
    assert_eq!(message.attributes, [namespace]);
    check_schema_rules(&message);

    let initiation = message.at(&["CstmrCdtTrfInitn"]);
    let header = initiation.at(&["GrpHdr"]);
    assert_eq!(header.at(&["MsgId"]).text, "IL-201702-dining-01");
    assert_eq!(header.at(&["CreDtTm"]).text, "2017-03-01T00:00:00+08:00", "the period's end, no clock");
    assert_eq!(header.at(&["InitgPty", "Nm"]).text, "示例餐饮有限公司");
    let batch = initiation.at(&["PmtInf"]);
    assert_eq!(batch.at(&["ReqdExctnDt", "Dt"]).text, "2017-03-14", "the tenth weekday");
    assert_eq!(batch.at(&["DbtrAcct", "Id", "Othr", "Id"]).text, "6217001234567890123");
    let agent = batch.at(&["DbtrAgt", "FinInstnId"]);
    assert_eq!(agent.at(&["BICFI"]).text, "CMBCCNBS");
    assert_eq!(agent.at(&["ClrSysMmbId", "ClrSysId", "Cd"]).text, "CNAPS");
    assert_eq!(agent.at(&["ClrSysMmbId", "MmbId"]).text, "308290003020");
    assert_eq!(agent.at(&["Nm"]).text, "招商银行上海分行");
    let told = |transfer: &Element| {
        ["PmtId/EndToEndId", "Cdtr/Nm", "CdtrAcct/Id/Othr/Id", "RmtInf/Ustrd"]
            .map(|path| transfer.at(&path.split('/').collect::<Vec<_>>()).text.clone())
    };
    let transfers: Vec<[String; 4]> = batch.all("CdtTrfTxInf").map(told).collect();
    assert_eq!(
        transfers,
        [
            // The first payment is to a line of which nothing is known, and not ordered.
            ["IL-201702-dining-02", "示例商场 <& 更多> 有限公司", "6217-0000-0000-0002", "积分清算 2017-02"],
            ["IL-201702-dining-03", "示例集团有限公司", "6217-0000-0000-0001", "积分清算 2017-02"],
        ]
    );
}

#[test]
fn where_nothing_can_be_ordered_there_is_no_file() {
    let rulebook = rulebook();
    for pairs in [&[][..], &[("dining", "hotel_1")], &[("hotel_1", "group")]] {
        assert_eq!(messages(&rulebook, &payments(pairs)).len(), 0);
    }
    let one_account = RULEBOOK.replace("6217-0000-0000-0002", "6217 0000 0000 0001");
    let one_account = Rulebook::parse(&one_account).unwrap();
    assert_eq!(messages(&one_account, &payments(&[("mall", "group"), ("group", "mall")])).len(), 0);
    assert_eq!(messages(&one_account, &payments(&[("mall", "group"), ("group", "dining")])).len(), 1);
}

#[test]
fn each_entity_orders_its_own_payments_unless_one_does_for_all() {
    let hub = RULEBOOK.replace("netting = \"direct\"", "netting = \"hub\"");
    let payments = payments(&[("dining", "group"), ("mall", "group"), ("group", "dining"), ("group", "mall")]);
    let found = messages(&Rulebook::parse(&hub).unwrap(), &payments);
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["erp/pain.001-dining.xml", "erp/pain.001-group.xml", "erp/pain.001-mall.xml"]);
    let dates = |message: &Element| -> Vec<String> {
        let batches = message.at(&["CstmrCdtTrfInitn"]).all("PmtInf");
        batches.map(|batch| batch.at(&["ReqdExctnDt", "Dt"]).text.clone()).collect()
    };
    assert_eq!(dates(&found[1].1), ["2017-03-15"], "the hub pays a day after it is paid");

    let named = hub.replace("name_zh = \"酒店\"", "name_zh = \"酒店\"\nentity = \"酒店有限公司\"");
    let one = format!("{named}\n[payments]\nfiles = \"one\"\npurpose = \"清算款{{period}}\"\n");
    let found = messages(&Rulebook::parse(&one).unwrap(), &payments);
    let [(path, message)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(path, "erp/pain.001.xml");
    assert_eq!(dates(message), ["2017-03-14", "2017-03-14", "2017-03-15"]);
    let header = message.at(&["CstmrCdtTrfInitn", "GrpHdr"]);
    assert_eq!(
        (&*header.at(&["MsgId"]).text, &*header.at(&["InitgPty", "Nm"]).text),
        ("IL-201702-group-01", "示例集团有限公司")
    );
    let batch = message.at(&["CstmrCdtTrfInitn", "PmtInf"]);
    assert_eq!(batch.at(&["PmtInfId"]).text, "IL-201702-dining-01");
    assert_eq!(batch.at(&["CdtTrfTxInf", "RmtInf", "Ustrd"]).text, "清算款2017-02");
}

#[test]
fn within_sepa_an_iban_says_which_bank_it_is() {
    let text = RULEBOOK
        .replace("CNY", "EUR")
        .replace("6217-0000-0000-0001", "DE89 3704 0044 0532 0130 00")
        .replace("6217-0000-0000-0002", "NL91ABNA0417164300")
        .replace("bic = \"ICBKCNBJSHI\"\n", "")
        .replace("cnaps = \"102290000003\"\n", "");
    let found = messages(&Rulebook::parse(&text).unwrap(), &payments(&[("mall", "group")]));
    let batch = found[0].1.at(&["CstmrCdtTrfInitn", "PmtInf"]);
    assert_eq!(batch.at(&["DbtrAcct", "Id", "IBAN"]).text, "NL91ABNA0417164300");
    assert_eq!(batch.at(&["DbtrAgt", "FinInstnId", "Othr", "Id"]).text, "NOTPROVIDED");
    let transfer = batch.at(&["CdtTrfTxInf"]);
    assert_eq!(transfer.at(&["CdtrAcct", "Id", "IBAN"]).text, "DE89370400440532013000");
    assert_eq!(transfer.all("CdtrAgt").count(), 0);
    assert_eq!(transfer.at(&["RmtInf", "Ustrd"]).text, "Points settlement 2017-02");
}

#[test]
fn a_settlement_in_hand_gives_the_same_orders_twice() {
    let rulebook = rulebook();
    let run = run(RunKind::Final);
    let about = About { rulebook: &rulebook, period: period(), run: &run };
    let settlement = settlement();
    let orders = || pain::messages(&about, &settlement.payments).unwrap();
    assert_eq!(orders(), orders());
    assert!(orders().iter().all(|(path, _)| path.starts_with("erp/pain.001-")));
}
