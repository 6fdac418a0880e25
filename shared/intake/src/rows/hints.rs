//! What a spreadsheet or a keyboard has probably done to a value that is not accepted.

use super::Column;
use std::borrow::Cow;

const NO_BREAK: [char; 3] = ['\u{a0}', '\u{2007}', '\u{202f}'];
const CURRENCIES: [&str; 8] = ["¥", "￥", "$", "€", "£", "元", "CNY", "RMB"];

pub fn hint(column: Column, value: &str, code: &str) -> Option<Cow<'static, str>> {
    if matches!(code, "superfluous-field" | "missing-field") {
        return None;
    }
    if value.contains(NO_BREAK) {
        return Some("it holds a no-break space".into());
    }
    if let Some(unseen) = value.chars().find(|of| is_unseen(*of)) {
        return Some(format!("it holds a character that is not seen, U+{:04X}", u32::from(unseen)).into());
    }
    if value.contains(['\u{3000}', '，', '．', '：', '－']) || value.chars().any(is_full_width) {
        return Some("it holds full-width characters: write them in half width".into());
    }
    let hint = match (column, code) {
        (Column::Amount, "not-a-decimal") | (Column::Points, "not-an-integer") => of_number(value),
        (Column::OccurredAt, "not-a-time") => of_time(value),
        _ => None,
    };
    hint.map(Cow::Borrowed)
}

fn is_unseen(of: char) -> bool {
    matches!(of, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

fn is_full_width(of: char) -> bool {
    matches!(of, '０'..='９' | 'Ａ'..='Ｚ' | 'ａ'..='ｚ')
}

fn of_number(value: &str) -> Option<&'static str> {
    let has_digits = value.bytes().any(|byte| byte.is_ascii_digit());
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_exponent = |text: &str| text.split_once(['e', 'E']).is_some_and(|(number, _)| is_number(number));
    if !has_digits {
        return None;
    }
    if CURRENCIES.iter().any(|currency| value.contains(currency)) {
        return Some("leave the currency out");
    }
    if value.contains([',', '\'', ' ']) {
        return Some("leave the thousands separators out, and write a point before the decimals");
    }
    is_exponent(value).then_some("a spreadsheet has shortened it: format the column as a number and save it again")
}

fn of_time(value: &str) -> Option<&'static str> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (day, time) = value.split_once([' ', 'T']).unwrap_or((value, ""));
    let is_parts = |separator: char| day.split(separator).count() == 3 && day.split(separator).all(digits);
    // Days since 1900, with the time as their fraction.
    let is_serial = value.split('.').count() <= 2 && value.split('.').all(digits) && value.starts_with(['3', '4', '5']);
    if is_parts('/') || is_parts('.') || (time.is_empty() && is_serial && value.split('.').next()?.len() == 5) {
        return Some("a spreadsheet has changed it: format the column as text and fill it again");
    }
    if is_parts('-') && !time.is_empty() {
        return Some(
            "month, day and hour have two digits, T stands before the time and an offset such as +08:00 after it",
        );
    }
    None
}
