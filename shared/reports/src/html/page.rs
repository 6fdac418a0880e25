//! The frame of a page: one file that needs no network, in two languages.
//!
//! Both languages are in the markup. A pair of radio buttons shows one of them
//! by style sheet alone; the script only picks the reader's language first and
//! tells it to assistive technology. What the page may load is nothing, and the
//! style sheet and script are named by their hashes.

use crate::about::About;
use crate::words::{Words, words};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use interline_domain::units::money::{Money, Points, Rate};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("style.css");
const SWITCH: &str = include_str!("switch.js");

/// `title`: in both languages, for the browser's tab.
pub fn page(title: &str, content: &Markup) -> Vec<u8> {
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        source_hash(STYLE),
        source_hash(SWITCH)
    );
    let page = html! {
        (DOCTYPE)
        html lang="zh-CN" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                fieldset.language {
                    legend.hidden { "语言 Language" }
                    input #language-zh type="radio" name="language" checked;
                    label for="language-zh" lang="zh-CN" { "中文" }
                    input #language-en type="radio" name="language";
                    label for="language-en" lang="en" { "English" }
                }
                div.page { (content) }
                script { (PreEscaped(SWITCH)) }
            }
        }
    };
    let mut bytes = page.into_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

/// How a policy names an inline source.
fn source_hash(source: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(source)))
}

pub fn say(zh: &'static str, en: &'static str) -> Markup {
    both(&words(zh, en))
}

/// A text in both languages, of which one is shown.
pub fn both(words: &Words) -> Markup {
    pair(&words.zh, &words.en)
}

pub fn pair(zh: &str, en: &str) -> Markup {
    html! {
        @if zh == en { (en) } @else { span lang="zh-CN" { (zh) } span lang="en" { (en) } }
    }
}

/// A section with its heading and the file that its figures are from.
pub fn section(id: &str, title: &Words, files: &[&str], content: &Markup) -> Markup {
    html! {
        section aria-labelledby=(id) {
            div.head {
                h2 #(id) { (both(title)) }
                @if !files.is_empty() {
                    p.source { (say("数据：", "Data: ")) (links(files)) }
                }
            }
            (content)
        }
    }
}

pub fn links(files: &[&str]) -> Markup {
    html! {
        @for (at, file) in files.iter().enumerate() {
            @if at > 0 { ", " }
            a href=(file) { (file) }
        }
    }
}

/// A box in which a wide table scrolls, with the keyboard too.
pub fn scroll(label: &str, table: &Markup) -> Markup {
    html! { div.scroll role="region" tabindex="0" aria-labelledby=(label) { (table) } }
}

/// `1,234.50`, with a true minus sign and marked when negative.
pub fn amount(about: &About<'_>, amount: Money) -> Markup {
    written(&about.rulebook.currency.show(amount).to_string())
}

pub fn number(points: Points) -> Markup {
    signed(points.is_negative(), &grouped(points.get().unsigned_abs()))
}

fn signed(negative: bool, digits: &str) -> Markup {
    html! { @if negative { span.neg { "−" (digits) } } @else { (digits) } }
}

/// A check's number or date as it is written, digits grouped if it is a number.
pub fn written(text: &str) -> Markup {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, decimals) =
        digits.split_once('.').map_or((digits, String::new()), |(whole, rest)| (whole, format!(".{rest}")));
    match whole.parse() {
        Ok(whole) => signed(negative, &format!("{}{decimals}", grouped(whole))),
        Err(_) => html! { (text) },
    }
}

pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `part / whole` in percent with one decimal; a dash of nothing.
pub fn percent(part: i64, whole: i64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let tenths = (i128::from(part) * 2_000 + i128::from(whole)).div_euclid(i128::from(whole) * 2);
    format!("{}{}.{} %", if tenths < 0 { "−" } else { "" }, tenths.abs() / 10, tenths.abs() % 10)
}

/// A rate in percent with two decimals.
pub fn rate_percent(rate: Rate) -> String {
    let hundredths = (rate.scaled() * 20_000 + Rate::SCALE) / (Rate::SCALE * 2);
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}
