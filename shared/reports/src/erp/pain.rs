//! Payments as an ISO 20022 customer credit transfer, pain.001.001.09.

use crate::about::About;
use crate::error::RenderError;
use interline_domain::close::netting::Payment;
use interline_domain::units::id::LineId;
use interline_domain::units::money::{Money, OutOfRange};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use std::io;

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09";
/// Max35Text: message, batch and end-to-end ids.
pub const ID_MAX: usize = 35;
/// Max34Text: an account that is no IBAN.
const ACCOUNT_MAX: usize = 34;
/// Max140Text: names and remittance text.
const TEXT_MAX: usize = 140;
const NOT_PROVIDED: &str = "NOTPROVIDED";

type Xml = Writer<Vec<u8>>;

/// One batch per debtor; `None` when nothing is to be paid, for a message needs
/// a transaction. `CreDtTm` is the end of the period, not the time of writing.
pub fn message(about: &About<'_>, payments: &[Payment]) -> Result<Option<Vec<u8>>, RenderError> {
    let orders: Vec<Order<'_>> = payments
        .iter()
        .enumerate()
        .filter(|(_, payment)| payment.amount.is_positive())
        .map(|(at, payment)| Order { end_to_end_id: end_to_end_id(about, at), payment })
        .collect();
    if orders.is_empty() {
        return Ok(None);
    }
    let mut batches: Vec<(&LineId, Vec<&Order<'_>>)> = Vec::new();
    for order in &orders {
        match batches.iter_mut().find(|(payer, _)| **payer == order.payment.payer) {
            Some((_, batch)) => batch.push(order),
            None => batches.push((&order.payment.payer, vec![order])),
        }
    }
    let sum = control_sum(orders.iter())?;
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("Document").with_attribute(("xmlns", NAMESPACE)).write_inner_content(|xml| {
        element(xml, "CstmrCdtTrfInitn", |xml| {
            header(xml, about, orders.len(), sum)?;
            for (at, (payer, orders)) in batches.iter().enumerate() {
                batch(xml, about, at, payer, orders)?;
            }
            Ok(())
        })
    })?;
    let mut bytes = xml.into_inner();
    bytes.push(b'\n');
    Ok(Some(bytes))
}

/// The number that a payment carries from order to account statement.
pub fn end_to_end_id(about: &About<'_>, at: usize) -> String {
    format!("IL-{}-{:03}", about.period, at + 1)
}

struct Order<'a> {
    end_to_end_id: String,
    payment: &'a Payment,
}

fn control_sum<'a>(orders: impl Iterator<Item = &'a Order<'a>>) -> Result<Money, OutOfRange> {
    Money::sum(orders.map(|order| order.payment.amount))
}

fn message_id(about: &About<'_>) -> String {
    restricted(&format!("IL-{}-{}", about.period, about.run.id), ID_MAX, "IL")
}

fn header(xml: &mut Xml, about: &About<'_>, orders: usize, sum: Money) -> io::Result<()> {
    element(xml, "GrpHdr", |xml| {
        text(xml, "MsgId", &message_id(about))?;
        let created = about.created().with_timezone(&about.rulebook.zone);
        text(xml, "CreDtTm", &created.to_rfc3339())?;
        text(xml, "NbOfTxs", &orders.to_string())?;
        text(xml, "CtrlSum", &about.rulebook.currency.show(sum).to_string())?;
        let platform = about.rulebook.platform.clone();
        party(xml, "InitgPty", about, &platform)
    })
}

fn batch(xml: &mut Xml, about: &About<'_>, at: usize, payer: &LineId, orders: &[&Order<'_>]) -> io::Result<()> {
    let sum = control_sum(orders.iter().copied()).map_err(io::Error::other)?;
    element(xml, "PmtInf", |xml| {
        let number = format!("-{:03}", at + 1);
        let id = restricted(&message_id(about), ID_MAX - number.len(), "IL");
        text(xml, "PmtInfId", &format!("{id}{number}"))?;
        text(xml, "PmtMtd", "TRF")?;
        text(xml, "NbOfTxs", &orders.len().to_string())?;
        text(xml, "CtrlSum", &about.rulebook.currency.show(sum).to_string())?;
        element(xml, "ReqdExctnDt", |xml| text(xml, "Dt", &about.payment_day().to_string()))?;
        party(xml, "Dbtr", about, payer)?;
        account(xml, "DbtrAcct", about, payer)?;
        // The schema asks for the debtor's bank; the rulebook knows accounts only.
        element(xml, "DbtrAgt", |xml| element(xml, "FinInstnId", |xml| other_id(xml, NOT_PROVIDED)))?;
        orders.iter().try_for_each(|order| transfer(xml, about, order))
    })
}

fn transfer(xml: &mut Xml, about: &About<'_>, order: &Order<'_>) -> io::Result<()> {
    element(xml, "CdtTrfTxInf", |xml| {
        element(xml, "PmtId", |xml| text(xml, "EndToEndId", &order.end_to_end_id))?;
        element(xml, "Amt", |xml| {
            let currency = about.rulebook.currency;
            let amount = currency.show(order.payment.amount).to_string();
            let element = xml.create_element("InstdAmt").with_attribute(("Ccy", currency.code()));
            element.write_text_content(BytesText::new(&amount)).map(drop)
        })?;
        party(xml, "Cdtr", about, &order.payment.payee)?;
        account(xml, "CdtrAcct", about, &order.payment.payee)?;
        let remittance =
            format!("Points settlement {} {} to {}", about.period, order.payment.payer, order.payment.payee);
        element(xml, "RmtInf", |xml| text(xml, "Ustrd", &restricted(&remittance, TEXT_MAX, "Points settlement")))
    })
}

fn party(xml: &mut Xml, name: &str, about: &About<'_>, line: &LineId) -> io::Result<()> {
    let fallback = restricted(line.as_str(), TEXT_MAX, NOT_PROVIDED);
    element(xml, name, |xml| text(xml, "Nm", &restricted(about.name_en(line), TEXT_MAX, &fallback)))
}

/// An account stands as it is or not at all: altered, it could be someone else's.
fn account(xml: &mut Xml, name: &str, about: &About<'_>, line: &LineId) -> io::Result<()> {
    let account = about.bank_account(line);
    let id =
        if restricted(account, ACCOUNT_MAX, "") == account && !account.is_empty() { account } else { NOT_PROVIDED };
    element(xml, name, |xml| element(xml, "Id", |xml| other_id(xml, id)))
}

fn other_id(xml: &mut Xml, id: &str) -> io::Result<()> {
    element(xml, "Othr", |xml| text(xml, "Id", id))
}

fn element(xml: &mut Xml, name: &str, content: impl FnOnce(&mut Xml) -> io::Result<()>) -> io::Result<()> {
    xml.create_element(name.to_owned()).write_inner_content(content).map(drop)
}

fn text(xml: &mut Xml, name: &str, content: &str) -> io::Result<()> {
    xml.create_element(name.to_owned()).write_text_content(BytesText::new(content)).map(drop)
}

/// Text in the character set that every bank takes: Latin letters, digits, space
/// and `/-?:().,'+`. An id neither starts nor ends with a slash nor has two in a
/// row, so runs of slashes and blanks become one.
fn restricted(source: &str, most: usize, fallback: &str) -> String {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "/-?:().,'+".contains(letter);
    let mut text = String::new();
    for letter in source.chars() {
        let letter = if allowed(letter) { letter } else { ' ' };
        if text.len() < most && !(matches!(letter, ' ' | '/') && text.ends_with(letter)) {
            text.push(letter);
        }
    }
    match text.trim_matches(|letter| matches!(letter, ' ' | '/')) {
        "" => fallback.to_owned(),
        text => text.to_owned(),
    }
}
