//! Why each funder's liability moved, in a sentence for each of its books: the same figures in the same order every
//! time, none but those of its rows. What is nothing is left out; the rest adds up to the movement.

mod templates;

use crate::about::About;
use crate::document::Comparison;
use crate::html::page::{grouped, percent, rate_percent};
use crate::rows::Rows;
use crate::words::{Words, capitalised, words};
use interline_domain::actuarial::experience::UrrTerms;
use interline_domain::actuarial::liability::{ProvisionRow, RollForward};
use interline_domain::close::settlement::Settlement;
use interline_domain::close::why::{Moved, ReEstimateReason};
use interline_domain::legs::FlowKind;
use interline_domain::units::id::LineId;
use interline_domain::units::money::{Money, OutOfRange, Points};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use templates as say;

/// The file's name without its ending.
pub const NAME: &str = "sentences";

/// A funder's sentences, its contract liability's and its provision's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentence {
    pub funder: LineId,
    pub zh: String,
    pub en: String,
}

impl Sentence {
    pub fn words(&self) -> Words {
        Words { zh: Cow::Owned(self.zh.clone()), en: Cow::Owned(self.en.clone()) }
    }

    /// Those of a report that was written.
    pub fn read(report: &[u8]) -> Vec<Self> {
        let Ok(rows) = Rows::parse(report) else { return Vec::new() };
        let row = |row: usize| {
            let text = |column| rows.text(row, column).to_owned();
            Some(Self { funder: LineId::parse(rows.text(row, "funder")).ok()?, zh: text("zh"), en: text("en") })
        };
        (0..rows.len()).filter_map(row).collect()
    }
}

/// By funder; none of who had nothing and has nothing.
pub fn sentences(
    about: &About<'_>,
    settlement: &Settlement,
    comparison: &Comparison,
) -> Result<Vec<Sentence>, OutOfRange> {
    let mut rows: BTreeMap<LineId, (RollForward, ProvisionRow)> = BTreeMap::new();
    for (funder, row) in settlement.liability_by_funder()? {
        rows.entry(funder).or_default().0 = row;
    }
    for (funder, row) in settlement.provision_by_funder()? {
        rows.entry(funder).or_default().1 = row;
    }
    let mut sentences = Vec::new();
    for (funder, (contract, provision)) in rows {
        let of = Of { about, settlement, funder: &funder, is_first: comparison.month_before.is_none() };
        let mut said = Vec::new();
        if contract != RollForward::default() {
            said.push(of.contract(&contract)?);
        }
        if provision != ProvisionRow::default() {
            said.push(of.provision(&provision)?);
        }
        if said.is_empty() {
            continue;
        }
        let Words { zh, en } = joined(&said, "", " ");
        sentences.push(Sentence { funder, zh: zh.into_owned(), en: en.into_owned() });
    }
    Ok(sentences)
}

/// Whose sentence it is.
struct Of<'a> {
    about: &'a About<'a>,
    settlement: &'a Settlement,
    funder: &'a LineId,
    is_first: bool,
}

/// A place of a template, and what stands there in each language.
type Places<'a> = Vec<(&'a str, Words)>;

fn same(text: impl Into<String>) -> Words {
    let text: String = text.into();
    Words { zh: Cow::Owned(text.clone()), en: Cow::Owned(text) }
}

/// In one pass, so that what is filled in is never taken for a place.
fn filled(template: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let Some((place, behind)) = after.split_once('}') else { break };
        text.push_str(&value(place).unwrap_or_default());
        rest = behind;
    }
    text + rest
}

fn joined(parts: &[Words], zh: &str, en: &str) -> Words {
    let of = |text: fn(&Words) -> &str, between: &str| parts.iter().map(text).collect::<Vec<_>>().join(between);
    Words { zh: Cow::Owned(of(|words| &words.zh, zh)), en: Cow::Owned(of(|words| &words.en, en)) }
}

fn moved(of: &Moved) -> Places<'static> {
    vec![("before", same(rate_percent(of.before))), ("after", same(rate_percent(of.after)))]
}

impl Of<'_> {
    fn fill(&self, template: &Words, places: &[(&str, Words)]) -> Words {
        let currency = self.about.rulebook.currency.code();
        let unit_zh = if currency == "CNY" { "元" } else { currency };
        let in_language = |text: &str, of: fn(&Words) -> &str, line: &str| {
            filled(text, |place| {
                let own = match place {
                    "line" => Some(line.to_owned()),
                    "unit" => Some(currency.to_owned()),
                    "unit_zh" => Some(unit_zh.to_owned()),
                    _ => None,
                };
                own.or_else(|| places.iter().find(|(name, _)| *name == place).map(|(_, value)| of(value).to_owned()))
            })
        };
        Words {
            zh: Cow::Owned(in_language(&template.zh, |words| &words.zh, self.about.name_zh(self.funder))),
            en: Cow::Owned(in_language(&template.en, |words| &words.en, self.about.name_en(self.funder))),
        }
    }

    fn amount(&self, amount: Money) -> Words {
        let text = self.about.rulebook.currency.show(amount).to_string();
        let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("−", digits));
        let (whole, decimals) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
        let whole = whole.parse().map_or_else(|_| whole.to_owned(), grouped);
        same(format!("{sign}{whole}{}", decimals.map(|rest| format!(".{rest}")).unwrap_or_default()))
    }

    /// What goes on or back, without a sign; nothing where it is nothing.
    fn part(
        &self,
        (on, back): &say::Signed,
        amount: Money,
        mut places: Places<'_>,
    ) -> Result<Option<Words>, OutOfRange> {
        if amount.is_zero() {
            return Ok(None);
        }
        places.push(("amount", self.amount(amount.abs())));
        Ok(Some(self.fill(if amount.is_negative() { back } else { on }, &places)))
    }

    /// The parts of an amount, in brackets.
    fn among(&self, parts: &[(Words, Money)]) -> Words {
        let told = parts.iter().filter(|(_, amount)| !amount.is_zero());
        let told: Vec<Words> =
            told.map(|(template, amount)| self.fill(template, &[("amount", self.amount(*amount))])).collect();
        joined(&told, "，", ", ")
    }

    fn movement(&self, book: Words, opening: Money, closing: Money) -> Result<Words, OutOfRange> {
        let change = closing.minus(opening)?;
        let template = match (opening.is_zero(), change.minor().signum()) {
            (true, _) if self.is_first => say::FIRST,
            (_, 0) => say::RESTS,
            (true, _) => say::BEGINS,
            (false, 1) => say::RISES,
            (false, _) => say::FALLS,
        };
        let sign = if change.is_positive() { "+" } else { "" };
        Ok(self.fill(
            &template,
            &[
                ("book_zh", book.clone()),
                ("book_en", book),
                ("opening", self.amount(opening)),
                ("closing", self.amount(closing)),
                ("change", self.amount(change.abs())),
                ("percent", same(format!("{sign}{}", percent(change.minor(), opening.minor())))),
            ],
        ))
    }

    fn sentence(movement: Words, parts: Vec<Option<Words>>) -> Words {
        let parts: Vec<Words> = parts.into_iter().flatten().collect();
        let mut told = vec![movement];
        if !parts.is_empty() {
            let Words { zh, en } = joined(&parts, "；", "; ");
            told.push(Words { zh, en: Cow::Owned(capitalised(&en)) });
        }
        let Words { zh, en } = joined(&told, "。", ". ");
        Words { zh: Cow::Owned(format!("{zh}。")), en: Cow::Owned(format!("{en}.")) }
    }

    fn contract(&self, row: &RollForward) -> Result<Words, OutOfRange> {
        let settlement = self.settlement;
        let sold = settlement.issuance.iter().filter(|issue| {
            issue.scheme == *self.funder && issue.line == *self.funder && issue.kind != FlowKind::Granted
        });
        let sold = Points::sum(sold.map(|issue| issue.points))?;
        let mut redeemed = settlement.roll_forward.iter().filter(|row| row.cohort.scheme == *self.funder);
        let redeemed =
            redeemed.try_fold(Points::ZERO, |sum, row| sum.plus(row.redeemed_own)?.plus(row.redeemed_other))?;
        let released = Money::sum([row.own_line_revenue, row.to_payable, row.agent_revenue])?;
        let points = |points: Points| {
            let sign = if points.is_negative() { "−" } else { "" };
            ("points", same(format!("{sign}{}", grouped(points.get().unsigned_abs()))))
        };
        let among = self.among(&[
            (say::OWN, row.own_line_revenue),
            (say::PAYABLE, row.to_payable),
            (say::AGENT, row.agent_revenue),
        ]);
        let movement = self.movement(words("合同负债", "contract liability"), row.opening, row.closing)?;
        let parts = vec![
            self.part(&say::ADDED, row.added, vec![points(sold)])?,
            self.part(&say::REDEEMED, released, vec![points(redeemed), ("parts", among)])?,
            self.part(&say::BREAKAGE, row.breakage, Vec::new())?,
            self.re_estimate(row.re_estimate)?,
            self.part(&say::EXPIRED, row.expired, Vec::new())?,
            self.part(&say::REVERSED, row.reversed, Vec::new())?,
            self.part(&say::REMEASURED, row.remeasured, Vec::new())?,
        ];
        Ok(Self::sentence(movement, parts))
    }

    fn re_estimate(&self, amount: Money) -> Result<Option<Words>, OutOfRange> {
        let change = self.settlement.why.iter().find(|change| change.funder == *self.funder);
        let reason = self.reason(change.map_or(&ReEstimateReason::Ages, |change| &change.reason));
        let new_points = change.and_then(|change| change.new_points).filter(|new| new.before != new.after);
        let new_points = new_points.map_or(words("", ""), |new| self.fill(&say::NEW_POINTS, &moved(&new)));
        self.part(&say::RE_ESTIMATE, amount, vec![("reason", reason), ("new_points", new_points)])
    }

    fn reason(&self, reason: &ReEstimateReason) -> Words {
        match reason {
            ReEstimateReason::Override { reason } if reason.is_empty() => say::OVERRIDE_GONE,
            ReEstimateReason::Override { reason } => self.fill(&say::OVERRIDE, &[("reason", same(reason))]),
            ReEstimateReason::Credibility(of) => self.fill(&say::CREDIBILITY, &moved(of)),
            ReEstimateReason::IgnoredMonth => say::IGNORED_MONTH,
            ReEstimateReason::Level(of) => {
                let months = match self.about.rulebook.urr(self.about.period) {
                    UrrTerms::Experience(terms) => terms.level_months,
                    UrrTerms::Initial => 0,
                };
                let mut places = moved(of);
                places.push(("months", same(months.to_string())));
                let (rose, fell) = say::LEVEL;
                self.fill(&if of.after < of.before { fell } else { rose }, &places)
            }
            ReEstimateReason::Margin(of) => self.fill(&say::MARGIN, &moved(of)),
            ReEstimateReason::Ages => say::AGES,
            ReEstimateReason::Terms => say::TERMS,
        }
    }

    fn provision(&self, row: &ProvisionRow) -> Result<Words, OutOfRange> {
        let used = row.used_own.plus(row.used_other)?;
        let among = self.among(&[(say::OWN, row.used_own), (say::USED_OTHER, row.used_other)]);
        let movement =
            self.movement(words("赠送积分预计负债", "provision for points given"), row.opening, row.closing)?;
        let parts = vec![
            self.part(&say::GRANTED, row.granted, Vec::new())?,
            self.part(&say::USED, used, vec![("parts", among)])?,
            self.part(&say::RELEASED, row.released, Vec::new())?,
            self.part(&say::TAKEN_BACK, row.reversed, Vec::new())?,
        ];
        Ok(Self::sentence(movement, parts))
    }
}
