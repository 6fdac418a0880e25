//! The rulebook as it is written: TOML, unknown fields refused.

use super::{Account, Netting, ReferenceScope, RulebookError, RulebookErrors, VatTreatment};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulebookFile {
    pub programme: Spanned<Programme>,
    pub lines: Vec<Spanned<Line>>,
    #[serde(default)]
    pub earn: Vec<Spanned<Earn>>,
    #[serde(default)]
    pub burn: Vec<Spanned<Burn>>,
    #[serde(default)]
    pub prices: Vec<Spanned<Price>>,
    #[serde(default)]
    pub splits: Vec<Spanned<Split>>,
    #[serde(default)]
    pub expiry: Vec<Spanned<Expiry>>,
    #[serde(default)]
    pub liability: Vec<Spanned<Liability>>,
    #[serde(default)]
    pub urr_override: Vec<Spanned<UrrOverride>>,
    #[serde(default)]
    pub vat: Vec<Spanned<Vat>>,
    #[serde(default)]
    pub accounts: Accounts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Programme {
    pub name: String,
    pub currency: String,
    pub time_zone: String,
    pub first_period: String,
    pub platform: String,
    pub netting: Netting,
    #[serde(default = "one")]
    pub seal_after_hours: u32,
    #[serde(default = "twelve")]
    pub refund_months: u32,
    pub pseudonym_key: Option<String>,
    pub pseudonym_salt: Option<String>,
    #[serde(default)]
    pub allow_phone_members: bool,
}

fn twelve() -> u32 {
    12
}

fn one() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub name_zh: String,
    #[serde(default)]
    pub entity: String,
    #[serde(default)]
    pub bank_account: String,
    #[serde(default)]
    pub reference_scope: ReferenceScopes,
}

/// One for the whole programme, or one from each day on.
#[derive(Deserialize)]
#[serde(untagged, expecting = "must be \"line\", \"month\" or \"day\", or a list of { from, scope }")]
pub enum ReferenceScopes {
    Always(ReferenceScope),
    Dated(Vec<DatedScope>),
}

impl Default for ReferenceScopes {
    fn default() -> Self {
        ReferenceScopes::Always(ReferenceScope::Line)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatedScope {
    pub from: String,
    pub scope: ReferenceScope,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earn {
    pub line: String,
    pub from: String,
    pub to: Option<String>,
    pub points_per_unit: String,
    pub minimum_amount: Option<String>,
    pub multiplier: Option<String>,
    #[serde(default)]
    pub sponsors: Vec<Share>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burn {
    pub line: String,
    pub from: String,
    pub to: Option<String>,
    pub value: String,
    #[serde(default = "one_point")]
    pub minimum: u32,
    #[serde(default = "one_point")]
    pub step: u32,
    pub max_per_order: Option<u32>,
    pub max_bill_share: Option<String>,
    pub max_per_day: Option<u32>,
    pub max_per_month: Option<u32>,
}

fn one_point() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    pub redeemer: String,
    #[serde(default = "any")]
    pub funder: String,
    pub from: String,
    pub to: Option<String>,
    pub price: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    pub rule: String,
    #[serde(default = "any")]
    pub payer: String,
    #[serde(default = "any")]
    pub redeemer: String,
    pub from: String,
    pub to: Option<String>,
    pub shares: Vec<Share>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    pub to: String,
    pub share: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expiry {
    #[serde(default = "any")]
    pub funder: String,
    pub from: String,
    pub to: Option<String>,
    pub months: Option<u32>,
    #[serde(default)]
    pub never: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Liability {
    #[serde(default = "any")]
    pub funder: String,
    pub from: String,
    pub to: Option<String>,
    pub face_value: String,
    #[serde(default = "all")]
    pub initial_urr: String,
    #[serde(default)]
    pub method: Method,
    pub remote_after_months: Option<u32>,
    #[serde(default = "nothing")]
    pub vat_rate: String,
    #[serde(default = "yes")]
    pub tax_inclusive: bool,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    #[default]
    CatchUp,
    Remote,
}

fn all() -> String {
    "1".to_owned()
}

fn nothing() -> String {
    "0".to_owned()
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UrrOverride {
    pub funder: String,
    pub issued: String,
    pub urr: String,
    #[serde(default)]
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vat {
    #[serde(default = "any")]
    pub funder: String,
    #[serde(default = "any")]
    pub redeemer: String,
    #[serde(default = "any")]
    pub product: String,
    pub from: String,
    pub to: Option<String>,
    pub treatment: VatTreatment,
    #[serde(default = "nothing")]
    pub rate: String,
}

pub type Accounts = BTreeMap<Account, Spanned<AccountName>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountName {
    pub code: String,
    pub name: String,
}

fn any() -> String {
    "*".to_owned()
}

pub fn parse(text: &str) -> Result<RulebookFile, RulebookErrors> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(0, |span| line_of(text, span.start));
        RulebookErrors(vec![RulebookError { line, field: "rulebook".to_owned(), rule: error.message().to_owned() }])
    })
}

/// The line of a byte, counted from one.
pub fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}
