//! Payments as ISO 20022 customer credit transfers, pain.001.001.09.

use crate::about::About;
use crate::error::RenderError;
use interline_domain::close::netting::Payment;
use interline_domain::close::orders::{Numbers, Order, Standing};
use interline_domain::terms::rulebook::{Line, PaymentFiles};
use interline_domain::units::bank::BankAccount;
use interline_domain::units::id::LineId;
use interline_domain::units::money::{Money, OutOfRange};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use std::collections::BTreeMap;
use std::io;

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09";
/// Max35Text: message, batch and end-to-end ids.
pub const ID_MAX: usize = 35;
/// The payment system of the People's Bank of China, among ISO's codes of clearing systems.
const CNAPS: &str = "CNAPS";
/// Where an IBAN of the Single Euro Payments Area says which bank it is at.
const NOT_PROVIDED: &str = "NOTPROVIDED";
const ONE_FILE: &str = "erp/pain.001.xml";

type Xml = Writer<Vec<u8>>;

/// Where the orders of an entity lie.
pub fn path(entity: &LineId) -> String {
    format!("erp/pain.001-{entity}.xml")
}

/// The files by their paths. There is none where nothing is ordered: a message needs a
/// transaction. `CreDtTm` is the end of the period, not the time of writing.
pub fn messages(about: &About<'_>, payments: &[Payment]) -> Result<Vec<(String, Vec<u8>)>, RenderError> {
    let orders: Vec<Order<'_>> =
        about.orders(payments).into_iter().filter(|order| order.standing == Standing::Ordered).collect();
    let mut files: BTreeMap<&LineId, Vec<&Order<'_>>> = BTreeMap::new();
    let files_of = about.rulebook.payments(about.period).files;
    for order in &orders {
        let sender = match files_of {
            PaymentFiles::Entity => &order.payment.payer,
            PaymentFiles::One => &about.rulebook.platform,
        };
        files.entry(sender).or_default().push(order);
    }
    let message = |(sender, orders): (&LineId, Vec<&Order<'_>>)| {
        let path = match files_of {
            PaymentFiles::Entity => path(sender),
            PaymentFiles::One => ONE_FILE.to_owned(),
        };
        Ok((path, message(about, sender, &orders)?))
    };
    files.into_iter().map(message).collect()
}

/// One batch for each debtor and day.
fn message(about: &About<'_>, sender: &LineId, orders: &[&Order<'_>]) -> Result<Vec<u8>, RenderError> {
    let mut batches: Vec<Vec<&Order<'_>>> = Vec::new();
    for order in orders {
        let same = |batch: &&mut Vec<&Order<'_>>| {
            batch.first().is_some_and(|first| first.payment.payer == order.payment.payer && first.date == order.date)
        };
        match batches.iter_mut().find(same) {
            Some(batch) => batch.push(order),
            None => batches.push(vec![order]),
        }
    }
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("Document").with_attribute(("xmlns", NAMESPACE)).write_inner_content(|xml| {
        element(xml, "CstmrCdtTrfInitn", |xml| {
            element(xml, "GrpHdr", |xml| {
                text(xml, "MsgId", &Numbers::default().next(about.period, sender))?;
                let created = about.created().with_timezone(&about.rulebook.zone);
                text(xml, "CreDtTm", &created.to_rfc3339())?;
                totals(xml, about, orders)?;
                party(xml, "InitgPty", about, sender)
            })?;
            let mut numbers = Numbers::default();
            batches.iter().try_for_each(|orders| batch(xml, about, &mut numbers, orders))
        })
    })?;
    let mut bytes = xml.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

fn control_sum(orders: &[&Order<'_>]) -> Result<Money, OutOfRange> {
    Money::sum(orders.iter().map(|order| order.payment.amount))
}

fn totals(xml: &mut Xml, about: &About<'_>, orders: &[&Order<'_>]) -> io::Result<()> {
    let sum = control_sum(orders).map_err(io::Error::other)?;
    text(xml, "NbOfTxs", &orders.len().to_string())?;
    text(xml, "CtrlSum", &about.rulebook.currency.show(sum).to_string())
}

fn batch(xml: &mut Xml, about: &About<'_>, numbers: &mut Numbers, orders: &[&Order<'_>]) -> io::Result<()> {
    let Some(first) = orders.first() else { return Ok(()) };
    let payer = &first.payment.payer;
    element(xml, "PmtInf", |xml| {
        text(xml, "PmtInfId", &numbers.next(about.period, payer))?;
        text(xml, "PmtMtd", "TRF")?;
        totals(xml, about, orders)?;
        element(xml, "ReqdExctnDt", |xml| text(xml, "Dt", &first.date.to_string()))?;
        party(xml, "Dbtr", about, payer)?;
        account(xml, "DbtrAcct", about, payer)?;
        // The schema asks for the debtor's bank, also where its account says it.
        agent(xml, "DbtrAgt", about, payer, Some(NOT_PROVIDED))?;
        orders.iter().try_for_each(|order| transfer(xml, about, order))
    })
}

fn transfer(xml: &mut Xml, about: &About<'_>, order: &Order<'_>) -> io::Result<()> {
    let payee = &order.payment.payee;
    element(xml, "CdtTrfTxInf", |xml| {
        element(xml, "PmtId", |xml| text(xml, "EndToEndId", &order.end_to_end_id))?;
        element(xml, "Amt", |xml| {
            let currency = about.rulebook.currency;
            let amount = currency.show(order.payment.amount).to_string();
            let element = xml.create_element("InstdAmt").with_attribute(("Ccy", currency.code()));
            element.write_text_content(BytesText::new(&amount)).map(drop)
        })?;
        agent(xml, "CdtrAgt", about, payee, None)?;
        party(xml, "Cdtr", about, payee)?;
        account(xml, "CdtrAcct", about, payee)?;
        element(xml, "RmtInf", |xml| text(xml, "Ustrd", &about.purpose()))
    })
}

fn line_of<'a>(about: &About<'a>, line: &LineId) -> Option<&'a Line> {
    about.rulebook.line(line)
}

/// By the holder's name and no other. Only who sends all files may have none.
fn party(xml: &mut Xml, name: &str, about: &About<'_>, line: &LineId) -> io::Result<()> {
    match about.holder(line).as_str() {
        "" => element(xml, name, |_| Ok(())),
        holder => element(xml, name, |xml| text(xml, "Nm", holder)),
    }
}

fn account(xml: &mut Xml, name: &str, about: &About<'_>, line: &LineId) -> io::Result<()> {
    let Some(account) = line_of(about, line).and_then(Line::account) else { return Ok(()) };
    element(xml, name, |xml| {
        element(xml, "Id", |xml| match account {
            BankAccount::Iban(iban) => text(xml, "IBAN", &iban),
            BankAccount::Other(number) => element(xml, "Othr", |xml| text(xml, "Id", &number)),
        })
    })
}

/// A bank by its BIC and its number in China; where it has neither, by what stands instead, if
/// anything.
fn agent(xml: &mut Xml, name: &str, about: &About<'_>, line: &LineId, instead: Option<&str>) -> io::Result<()> {
    let Some(line) = line_of(about, line) else { return Ok(()) };
    if !line.has_bank() && instead.is_none() {
        return Ok(());
    }
    element(xml, name, |xml| {
        element(xml, "FinInstnId", |xml| {
            if !line.bic.is_empty() {
                text(xml, "BICFI", &line.bic)?;
            }
            if !line.cnaps.is_empty() {
                element(xml, "ClrSysMmbId", |xml| {
                    element(xml, "ClrSysId", |xml| text(xml, "Cd", CNAPS))?;
                    text(xml, "MmbId", &line.cnaps)
                })?;
                if !line.bank_name.is_empty() {
                    text(xml, "Nm", &line.bank_name)?;
                }
            }
            match instead.filter(|_| !line.has_bank()) {
                Some(instead) => element(xml, "Othr", |xml| text(xml, "Id", instead)),
                None => Ok(()),
            }
        })
    })
}

fn element(xml: &mut Xml, name: &str, content: impl FnOnce(&mut Xml) -> io::Result<()>) -> io::Result<()> {
    xml.create_element(name.to_owned()).write_inner_content(content).map(drop)
}

fn text(xml: &mut Xml, name: &str, content: &str) -> io::Result<()> {
    xml.create_element(name.to_owned()).write_text_content(BytesText::new(content)).map(drop)
}
