//! Bank statements in ISO 20022, camt.053: which orders a bank has carried out, and when.

use chrono::NaiveDate;
use interline_domain::units::currency::Currency;
use interline_domain::units::money::Money;
use quick_xml::Reader;
use quick_xml::events::Event;

/// A statement of more bytes is none of a month's payments.
pub const STATEMENT_MAX: usize = 32 << 20;

/// An order that was booked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    pub end_to_end_id: String,
    pub amount: Money,
    pub day: NaiveDate,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAStatement {
    #[error("the statement has more than {STATEMENT_MAX} bytes")]
    TooLong,
    #[error("the statement is no XML: {0}")]
    Xml(String),
    #[error("the statement has no BkToCstmrStmt: it is no camt.053")]
    OtherMessage,
    #[error("entry {entry}: {field} {text:?} {rule}")]
    Field { entry: usize, field: &'static str, text: String, rule: &'static str },
}

/// What is read of an entry and of one of its transactions.
#[derive(Default)]
struct Found {
    status: String,
    day: String,
    amount: String,
    currency: String,
    transactions: Vec<Transaction>,
}

#[derive(Default)]
struct Transaction {
    end_to_end_id: String,
    amount: String,
    currency: String,
}

/// The booked orders of a statement that say whose they are, in their order. An entry of one transaction has its amount;
/// of a batch each transaction has its own. Both sides of an order may stand in one statement.
pub fn parse(text: &[u8], currency: Currency) -> Result<Vec<Booked>, NotAStatement> {
    if text.len() > STATEMENT_MAX {
        return Err(NotAStatement::TooLong);
    }
    let xml = |error: &dyn std::fmt::Display| NotAStatement::Xml(error.to_string());
    let mut reader = Reader::from_reader(text);
    let (mut path, mut entry, mut booked) = (Vec::<String>::new(), Found::default(), Vec::new());
    let (mut is_statement, mut number) = (false, 0);
    loop {
        match reader.read_event().map_err(|error| xml(&error))? {
            Event::Start(element) => {
                let name = String::from_utf8_lossy(element.local_name().as_ref()).into_owned();
                let of = element.try_get_attribute("Ccy").map_err(|error| xml(&error))?;
                let of = of.map(|of| String::from_utf8_lossy(&of.value).into_owned()).unwrap_or_default();
                is_statement |= name == "BkToCstmrStmt";
                match name.as_str() {
                    "Ntry" => (entry, number) = (Found::default(), number + 1),
                    "TxDtls" => entry.transactions.push(Transaction::default()),
                    "Amt" if ends(&path, &["Ntry"]) => entry.currency = of,
                    "Amt" | "TxAmt" if path.iter().any(|name| name == "TxDtls") => {
                        if let Some(transaction) = entry.transactions.last_mut() {
                            transaction.currency = of;
                        }
                    }
                    _ => {}
                }
                path.push(name);
            }
            Event::Text(text) => {
                let text = text.decode().map_err(|error| xml(&error))?.trim().to_owned();
                if !text.is_empty() {
                    take(&path, text, &mut entry);
                }
            }
            Event::End(_) => {
                let ended = path.pop();
                if ended.is_some_and(|name| name == "Ntry") {
                    booked.extend(of_entry(&std::mem::take(&mut entry), number, currency)?);
                }
            }
            Event::DocType(_) => return Err(NotAStatement::Xml("a document type is not taken".to_owned())),
            Event::Eof => break,
            _ => {}
        }
    }
    match is_statement && path.is_empty() {
        true => Ok(booked),
        false if is_statement => Err(NotAStatement::Xml("it ends before its elements do".to_owned())),
        false => Err(NotAStatement::OtherMessage),
    }
}

fn ends(path: &[String], names: &[&str]) -> bool {
    path.len() >= names.len() && path[path.len() - names.len()..].iter().zip(names).all(|(one, other)| one == other)
}

fn take(path: &[String], text: String, entry: &mut Found) {
    if ends(path, &["Ntry", "Sts"]) || ends(path, &["Ntry", "Sts", "Cd"]) {
        entry.status = text;
    } else if ends(path, &["BookgDt", "Dt"]) || ends(path, &["BookgDt", "DtTm"]) {
        entry.day = text;
    } else if ends(path, &["Ntry", "Amt"]) {
        entry.amount = text;
    } else if let Some(transaction) = entry.transactions.last_mut() {
        if ends(path, &["Refs", "EndToEndId"]) {
            transaction.end_to_end_id = text;
        } else if ends(path, &["TxDtls", "Amt"]) || ends(path, &["TxAmt", "Amt"]) {
            transaction.amount = text;
        }
    }
}

fn of_entry(entry: &Found, number: usize, currency: Currency) -> Result<Vec<Booked>, NotAStatement> {
    if entry.status != "BOOK" {
        return Ok(Vec::new());
    }
    let field = |field, text: &str, rule| NotAStatement::Field { entry: number, field, text: text.to_owned(), rule };
    let mut booked = Vec::new();
    for transaction in entry.transactions.iter().filter(|of| !of.end_to_end_id.is_empty()) {
        let (amount, of) = match (transaction.amount.as_str(), entry.transactions.len()) {
            ("", 1) => (&entry.amount, &entry.currency),
            ("", _) => return Err(field("TxDtls/Amt", "", "must be given where an entry has several transactions")),
            _ => (&transaction.amount, &transaction.currency),
        };
        if *of != currency.code() {
            return Err(field("Ccy", of, "is not the programme's currency"));
        }
        let amount = plain(amount, currency).ok_or_else(|| field("Amt", amount, "is no amount of the currency"))?;
        let day = entry.day.get(..10).unwrap_or_default();
        let day = NaiveDate::parse_from_str(day, "%Y-%m-%d");
        let day = day.map_err(|_| field("BookgDt", &entry.day, "is no date such as 2026-02-16"))?;
        booked.push(Booked { end_to_end_id: transaction.end_to_end_id.clone(), amount, day });
    }
    Ok(booked)
}

/// Banks write decimals that the currency does not have.
fn plain(text: &str, currency: Currency) -> Option<Money> {
    let decimals = usize::from(currency.decimals());
    let text = match text.split_once('.') {
        Some((whole, fraction)) => {
            let kept = fraction.trim_end_matches('0');
            if kept.len() > decimals {
                return None;
            }
            if kept.is_empty() { whole.to_owned() } else { format!("{whole}.{kept}") }
        }
        None => text.to_owned(),
    };
    currency.parse_money(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(entries: &str) -> String {
        format!(
            r#"<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt>{entries}</Stmt></BkToCstmrStmt></Document>"#
        )
    }

    fn entry(status: &str, amount: &str, details: &str) -> String {
        format!(
            r#"<Ntry><Amt Ccy="CNY">{amount}</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>{status}</Sts><BookgDt><Dt>2017-03-14</Dt></BookgDt><NtryDtls>{details}</NtryDtls></Ntry>"#
        )
    }

    fn details(id: &str, amount: &str) -> String {
        let amount = if amount.is_empty() { String::new() } else { format!(r#"<Amt Ccy="CNY">{amount}</Amt>"#) };
        format!("<TxDtls><Refs><EndToEndId>{id}</EndToEndId></Refs>{amount}</TxDtls>")
    }

    fn read(text: &str) -> Result<Vec<(String, i64)>, NotAStatement> {
        let booked = parse(text.as_bytes(), Currency::parse("CNY").unwrap())?;
        Ok(booked.into_iter().map(|of| (of.end_to_end_id, of.amount.minor())).collect())
    }

    #[test]
    fn booked_orders_are_read_one_by_one_and_of_batches() {
        let coded = entry(
            "<Cd>BOOK</Cd>",
            "30.00",
            &(details("IL-201702-b-01", "10.00") + &details("IL-201702-c-01", "20.00")),
        );
        let pending = entry("PDNG", "1.00", &details("IL-201702-d-01", ""));
        let text = statement(&(entry("BOOK", "12.5", &details("IL-201702-a-01", "")) + &coded + &pending));
        let ids = [("IL-201702-a-01", 1_250), ("IL-201702-b-01", 1_000), ("IL-201702-c-01", 2_000)];
        assert_eq!(read(&text).unwrap(), ids.map(|(id, amount)| (id.to_owned(), amount)));
    }

    #[test]
    fn what_is_no_statement_is_refused_with_its_place() {
        assert_eq!(read("<Document/>"), Err(NotAStatement::OtherMessage));
        assert!(matches!(read("<Document><BkToCstmrStmt>"), Err(NotAStatement::Xml(_))));
        assert!(matches!(read("<!DOCTYPE a [<!ENTITY b 'c'>]><a/>"), Err(NotAStatement::Xml(_))));
        for (broken, field) in [
            (entry("BOOK", "1.001", &details("x", "")), "Amt"),
            (entry("BOOK", "1.00", &details("x", "")).replace("CNY", "EUR"), "Ccy"),
            (entry("BOOK", "1.00", &details("x", "")).replace("2017-03-14", "14.3.17"), "BookgDt"),
            (entry("BOOK", "2.00", &(details("x", "") + &details("y", "1.00"))), "TxDtls/Amt"),
        ] {
            let found = read(&statement(&broken)).unwrap_err();
            assert!(matches!(&found, NotAStatement::Field { field: of, entry: 1, .. } if *of == field), "{found}");
        }
    }
}
