//! What a sale is given beside its base points.

use super::changes::Comparison;
use super::check::{Check, Place};
use super::read::tables;
use super::section::Section;
use super::table::{Key, Span};
use super::{EarnRule, Rulebook};
use crate::units::currency::Currency;
use crate::units::id::{AwardId, LineId, SchemeId};
use crate::units::micro::times;
use crate::units::money::{Money, OutOfRange, Points, Rate};
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc, Weekday};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::iter;

/// When an event gives claims of a scheme, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwardRule {
    pub scheme: SchemeId,
    /// None: every day of the week.
    weekdays: Option<BTreeSet<u8>>,
    /// By the programme's clocks; the end is not in it.
    hours: Option<(NaiveTime, NaiveTime)>,
    /// None: every line.
    lines: Option<BTreeSet<LineId>>,
    minimum_amount: Money,
    gives: Gives,
    order: i32,
    exclusive: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gives {
    /// Times the base points.
    Extra(Rate),
    Fixed(Points),
    /// Points per currency unit.
    PerUnit(Rate),
}

/// What an award gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awarded {
    pub award: AwardId,
    pub scheme: SchemeId,
    pub points: Points,
}

/// What gives the award.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    Accrual,
}

tables! {
    AwardFile {
        /// At most 16 of A-Z a-z 0-9 . _ -. An award may stand several times with other dates.
        id: String = required(String::new()),
        /// What it gives: one of [[schemes]].
        scheme: String = required(String::new()),
        /// What gives it: `accrual`, a sale.
        on: On = optional(On::Accrual),
        /// First day.
        from: String = required(String::new()),
        /// Last day; without it until further notice.
        to: Option<String> = optional(None),
        /// Only on these, of `mon` to `sun`.
        weekdays: Vec<String> = optional(Vec::new()),
        /// Only in these hours by the programme's clocks, such as `10:00-22:00`; the end is not in it.
        hours: Option<String> = optional(None),
        /// Only at these lines.
        lines: Vec<String> = optional(Vec::new()),
        /// Only for sales of at least this amount.
        minimum_amount: Option<String> = optional(None),
        /// So many times the base points: 1 doubles them. The extras of a sale add up before they are rounded down.
        extra: Option<String> = optional(None),
        /// So many points a sale; it needs a `minimum_amount`.
        fixed: Option<i64> = optional(None),
        /// So many points per currency unit of the sale, rounded down.
        per_unit: Option<String> = optional(None),
        /// Awards are taken in this order, then by id.
        order: i32 = optional(0),
        /// A group of which only the award counts that gives most, of equal ones the first.
        exclusive: Option<String> = optional(None),
    }
}

/// An award by its id.
pub struct OfAward<'a>(pub &'a AwardId);

impl Key for OfAward<'_> {
    type Pattern = AwardId;

    fn patterns(&self) -> impl Iterator<Item = AwardId> {
        iter::once(self.0.clone())
    }
}

pub struct Awards;

impl Section for Awards {
    const NAME: &'static str = "awards";
    const ABOUT: &'static str = "What a sale is given beside its base points, of which scheme. Awards add up, but for those of \
                                 one exclusive group; all that can coincide must give less than the sale is worth.";
    type File = AwardFile;
    type Pattern = AwardId;
    type Rule = AwardRule;

    fn check(file: AwardFile, place: &Place, check: &mut Check) -> Option<(AwardId, Span<AwardRule>)> {
        let On::Accrual = file.on;
        let id = check.parsed(place, "id", AwardId::parse(&file.id));
        let scheme = check.own_scheme(place, "scheme", &file.scheme);
        let weekdays = weekdays(place, &file.weekdays, check);
        let hours = match file.hours.as_deref() {
            None => Some(None),
            Some(text) => check.parsed(place, "hours", hours(text)).map(Some),
        };
        let lines: Vec<Option<LineId>> = file.lines.iter().map(|line| check.known_line(place, "lines", line)).collect();
        let lines = lines.into_iter().collect::<Option<BTreeSet<LineId>>>();
        let minimum_amount = match &file.minimum_amount {
            None => Some(Money::ZERO),
            Some(text) => check.amount(place, "minimum_amount", text),
        };
        let gives = gives(place, &file, check);
        if let Some(group) = &file.exclusive
            && AwardId::parse(group).is_err()
        {
            check.refuse(place, "exclusive", "must be at most 16 of A-Z a-z 0-9 . _ -");
        }
        let (order, exclusive) = (file.order, file.exclusive);
        let rule = || {
            let lines = Some(lines?).filter(|lines| !lines.is_empty());
            let (weekdays, hours, minimum_amount) = (weekdays?, hours?, minimum_amount?);
            Some(AwardRule { scheme: scheme?, weekdays, hours, lines, minimum_amount, gives: gives?, order, exclusive })
        };
        let span = check.span(place, &file.from, file.to.as_deref(), rule());
        Some((id?, span?))
    }

    fn audit(rulebook: &Rulebook, check: &mut Check) {
        for (id, span) in all(rulebook) {
            let whole = Place::whole(&format!("{}: {id}", Awards::NAME));
            if let Some(day) = rulebook.unfunded(&span.value.scheme, span.from, span.to) {
                check.refuse(&whole, "scheme", format!("nobody bears claims of {} on {day}", span.value.scheme));
            }
            fixed_creates_no_money(rulebook, span, &whole, check);
        }
        awards_create_no_money(rulebook, check);
    }

    fn compare(comparison: &mut Comparison<'_>) {
        let currency = comparison.currency();
        let books = comparison.books();
        let ids: BTreeSet<AwardId> = books.iter().flat_map(|book| book.sections.awards.patterns()).cloned().collect();
        for id in ids {
            let mut days = BTreeSet::new();
            books.iter().for_each(|book| days.extend(book.sections.awards.edges(&OfAward(&id))));
            comparison.of_days(
                &format!("{}: {id}", Awards::NAME),
                days,
                |book, day| Some(words(currency, book.sections.awards.of(&id)?.on(day)?)),
                String::clone,
            );
        }
    }
}

fn all(rulebook: &Rulebook) -> impl Iterator<Item = (&AwardId, &Span<AwardRule>)> {
    rulebook.sections.awards.iter().flat_map(|(id, dated)| dated.spans().iter().map(move |span| (id, span)))
}

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn day_of_week(day: Weekday) -> u8 {
    u8::try_from(day.num_days_from_monday()).unwrap_or_default()
}

/// Answers none for every day.
fn weekdays(place: &Place, names: &[String], check: &mut Check) -> Option<Option<BTreeSet<u8>>> {
    let mut days = BTreeSet::new();
    for name in names {
        let at = (0_u8..).zip(WEEKDAYS).find(|(_, word)| word == name).map(|(at, _)| at);
        days.insert(check.parsed(place, "weekdays", at.ok_or("must be of mon, tue, wed, thu, fri, sat, sun"))?);
    }
    Some((!days.is_empty()).then_some(days))
}

fn hours(text: &str) -> Result<(NaiveTime, NaiveTime), &'static str> {
    let time = |text: &str| match text {
        // The end of the day.
        "24:00" => NaiveTime::from_num_seconds_from_midnight_opt(86_399, 1_999_999_999),
        text if text.len() == 5 => NaiveTime::parse_from_str(text, "%H:%M").ok(),
        _ => None,
    };
    let (from, to) = text
        .split_once('-')
        .and_then(|(from, to)| Some((time(from)?, time(to)?)))
        .ok_or("must be two times of day such as 10:00-22:00")?;
    if from < to { Ok((from, to)) } else { Err("must begin before they end, both on one day") }
}

fn gives(place: &Place, file: &AwardFile, check: &mut Check) -> Option<Gives> {
    match (&file.extra, file.fixed, &file.per_unit) {
        (Some(extra), None, None) => above_zero(place, "extra", extra, check).map(Gives::Extra),
        (None, Some(fixed), None) => {
            if fixed <= 0 || file.minimum_amount.is_none() {
                check.refuse(place, "fixed", "must be more than zero, and needs a minimum_amount");
                return None;
            }
            check.parsed(place, "fixed", Points::parse(&fixed.to_string())).map(Gives::Fixed)
        }
        (None, None, Some(per_unit)) => above_zero(place, "per_unit", per_unit, check).map(Gives::PerUnit),
        (None, None, None) => {
            check.refuse(place, "extra", "one of extra, fixed and per_unit must be given");
            None
        }
        (Some(_), _, _) | (_, Some(_), _) => {
            check.refuse(place, "extra", "only one of extra, fixed and per_unit may be given");
            None
        }
    }
}

fn above_zero(place: &Place, field: &str, text: &str, check: &mut Check) -> Option<Rate> {
    let rate = check.parsed(place, field, Rate::parse(text))?;
    if rate.is_zero() {
        check.refuse(place, field, "must be more than zero");
        return None;
    }
    Some(rate)
}

/// The best that a point of a scheme buys anywhere, ever, in currency units.
fn best_value(rulebook: &Rulebook, scheme: &SchemeId) -> Rate {
    let burns = rulebook.sections.burn.iter().filter(|(line, _)| rulebook.is_usable(scheme, line));
    burns.flat_map(|(_, burn)| burn.spans()).map(|span| span.value.value).max().unwrap_or(Rate::ZERO)
}

/// A fixed award must be worth less than the smallest sale that has it.
fn fixed_creates_no_money(rulebook: &Rulebook, span: &Span<AwardRule>, place: &Place, check: &mut Check) {
    let Gives::Fixed(points) = span.value.gives else { return };
    let value = best_value(rulebook, &span.value.scheme);
    let worth = times(i128::from(points.get()), value.scaled())
        .and_then(|worth| times(worth, i128::from(rulebook.currency.minor_per_unit())));
    let least = times(i128::from(span.value.minimum_amount.minor()), Rate::SCALE);
    if !matches!((worth, least), (Ok(worth), Ok(least)) if worth < least) {
        let least = rulebook.currency.show(span.value.minimum_amount);
        check.refuse(
            place,
            "fixed",
            format!("{points} points for {value} each are worth a sale of {least}, which creates money"),
        );
    }
}

/// A yuan spent must earn points worth less than a yuan, whatever coincides.
fn awards_create_no_money(rulebook: &Rulebook, check: &mut Check) {
    let values: BTreeMap<&SchemeId, Rate> =
        rulebook.schemes.keys().map(|scheme| (scheme, best_value(rulebook, scheme))).collect();
    for (line, earn) in rulebook.sections.earn.iter() {
        let here = |rule: &AwardRule| rule.lines.as_ref().is_none_or(|lines| lines.contains(line));
        let awards: Vec<&Span<AwardRule>> =
            all(rulebook).map(|(_, span)| span).filter(|span| here(&span.value)).collect();
        if awards.is_empty() {
            continue;
        }
        let own = best_value(rulebook, &SchemeId::of(line));
        let firsts = awards.iter().map(|span| span.from).chain(earn.spans().iter().map(|span| span.from));
        for day in firsts.collect::<BTreeSet<NaiveDate>>() {
            let Some(rule) = earn.on(day) else { continue };
            let back = back(rulebook.currency, (rule, own), &values, awards.iter().filter(|span| is_on(span, day)));
            let pumps = match back {
                // What the base points alone create is told of [[earn]].
                Ok((base, awards)) => awards > 0 && base < Rate::SCALE && base + awards >= Rate::SCALE,
                Err(OutOfRange) => true,
            };
            if pumps {
                let text = format!(
                    "what a sale at {line} may be given on {day} is worth as much as the sale, which creates money"
                );
                check.refuse(&Place::whole(Awards::NAME), "", text);
                return;
            }
        }
    }
}

fn is_on(span: &Span<AwardRule>, day: NaiveDate) -> bool {
    span.from <= day && span.to.is_none_or(|to| day <= to)
}

/// What a currency unit spent may bring back at most, in 10^-8 units: by base points, whose best value is `own`, and by
/// awards. Fixed ones count by their smallest sale.
fn back<'a>(
    currency: Currency,
    (earn, own): (&EarnRule, Rate),
    values: &BTreeMap<&SchemeId, Rate>,
    awards: impl Iterator<Item = &'a &'a Span<AwardRule>>,
) -> Result<(i128, i128), OutOfRange> {
    let rate = earn.points_per_unit;
    let square = Rate::SCALE * Rate::SCALE;
    // Rounded up, so that nothing slips through below a whole.
    let up = |exact: i128, by: i128| exact / by + i128::from(exact % by != 0);
    let base = up(times(times(rate.scaled(), earn.multiplier.scaled())?, own.scaled())?, square);
    let mut back = 0;
    let mut groups: BTreeMap<&str, i128> = BTreeMap::new();
    for span in awards {
        let AwardRule { scheme, minimum_amount, gives, exclusive, .. } = &span.value;
        let value = values.get(scheme).copied().unwrap_or(Rate::ZERO).scaled();
        let worth = match gives {
            Gives::Extra(extra) => up(times(times(rate.scaled(), extra.scaled())?, value)?, square),
            Gives::PerUnit(points) => up(times(points.scaled(), value)?, Rate::SCALE),
            Gives::Fixed(points) => {
                let worth = times(times(i128::from(points.get()), value)?, i128::from(currency.minor_per_unit()))?;
                up(worth, i128::from(minimum_amount.minor().max(1)))
            }
        };
        match exclusive {
            Some(group) => {
                let most = groups.entry(group).or_default();
                *most = (*most).max(worth);
            }
            None => back += worth,
        }
    }
    Ok((base, back + groups.values().sum::<i128>()))
}

fn words(currency: Currency, rule: &AwardRule) -> String {
    let mut words = match rule.gives {
        Gives::Extra(extra) => format!("{extra} times the base points"),
        Gives::Fixed(points) => format!("{points} points"),
        Gives::PerUnit(points) => format!("{points} points per unit"),
    };
    words += &format!(" of {}", rule.scheme);
    if !rule.minimum_amount.is_zero() {
        words += &format!(", from {}", currency.show(rule.minimum_amount));
    }
    if let Some(days) = &rule.weekdays {
        let days: Vec<&str> = days.iter().filter_map(|day| WEEKDAYS.get(usize::from(*day)).copied()).collect();
        words += &format!(", on {}", days.join(" "));
    }
    if let Some((from, to)) = rule.hours {
        words += &format!(", {} to {}", from.format("%H:%M"), to.format("%H:%M:%S"));
    }
    if let Some(lines) = &rule.lines {
        words += &format!(", at {}", lines.iter().map(LineId::as_str).collect::<Vec<_>>().join(" "));
    }
    if rule.order != 0 {
        words += &format!(", in place {}", rule.order);
    }
    if let Some(group) = &rule.exclusive {
        words += &format!(", one of {group}");
    }
    words
}

/// A sale that awards are looked up for.
struct OfSale<'a> {
    line: &'a LineId,
    day: NaiveDate,
    time: NaiveTime,
    amount: Money,
    /// Points per currency unit.
    rate: Rate,
}

impl OfSale<'_> {
    fn is_met_by(&self, rule: &AwardRule) -> bool {
        let AwardRule { weekdays, hours, lines, minimum_amount, .. } = rule;
        weekdays.as_ref().is_none_or(|days| days.contains(&day_of_week(self.day.weekday())))
            && hours.is_none_or(|(from, to)| from <= self.time && self.time < to)
            && lines.as_ref().is_none_or(|lines| lines.contains(self.line))
            && self.amount >= *minimum_amount
    }

    /// Points, by the extras before it of the same sale.
    fn points(&self, currency: Currency, gives: Gives, extras: &mut i128) -> Result<Points, OutOfRange> {
        let per_unit = Rate::SCALE * i128::from(currency.minor_per_unit());
        let exact = |rate: Rate| times(i128::from(self.amount.minor()), rate.scaled());
        let points = match gives {
            Gives::Fixed(points) => return Ok(points),
            Gives::PerUnit(rate) => exact(rate)? / per_unit,
            Gives::Extra(extra) => {
                let base = exact(self.rate)?;
                let up_to = |extras: i128| Ok(times(base, extras)? / times(Rate::SCALE, per_unit)?);
                let before = up_to(*extras)?;
                *extras += extra.scaled();
                up_to(*extras)? - before
            }
        };
        i64::try_from(points).map(Points::new).map_err(|_| OutOfRange)
    }
}

impl Rulebook {
    /// What awards give a sale, in their order; nothing where it is too small to earn. Extras telescope: together they are
    /// what one multiplier would add.
    pub fn awards(&self, line: &LineId, at: DateTime<Utc>, amount: Money) -> Result<Vec<Awarded>, OutOfRange> {
        self.given(line, at, amount, None)
    }

    /// What the awards that a sale was given would give it for what is left of its amount.
    pub fn awards_kept(
        &self,
        given: &[Awarded],
        line: &LineId,
        at: DateTime<Utc>,
        amount: Money,
    ) -> Result<Vec<Awarded>, OutOfRange> {
        if given.is_empty() { Ok(Vec::new()) } else { self.given(line, at, amount, Some(given)) }
    }

    fn given(
        &self,
        line: &LineId,
        at: DateTime<Utc>,
        amount: Money,
        among: Option<&[Awarded]>,
    ) -> Result<Vec<Awarded>, OutOfRange> {
        if self.sections.awards.is_empty() {
            return Ok(Vec::new());
        }
        let local = at.with_timezone(&self.zone);
        let (day, time) = (local.date_naive(), local.time());
        let Some(earn) = self.earn(line, day).filter(|earn| amount >= earn.minimum_amount) else {
            return Ok(Vec::new());
        };
        let sale = OfSale { line, day, time, amount, rate: earn.points_per_unit };
        let met = self.sections.awards.iter().filter_map(|(id, dated)| Some((id, dated.on(day)?)));
        let met = met.filter(|(id, rule)| {
            sale.is_met_by(rule) && among.is_none_or(|among| among.iter().any(|given| given.award == **id))
        });
        let mut met: Vec<(&AwardId, &AwardRule)> = met.collect();
        met.sort_by_key(|(id, rule)| (rule.order, *id));
        self.best_of_groups(&sale, &mut met)?;
        let (mut awarded, mut extras) = (Vec::new(), Rate::SCALE);
        for (award, rule) in met {
            let points = sale.points(self.currency, rule.gives, &mut extras)?;
            if let Some(scheme) = self.issued_by(&rule.scheme, line, day)
                && !points.is_zero()
            {
                awarded.push(Awarded { award: award.clone(), scheme, points });
            }
        }
        Ok(awarded)
    }

    /// Of each exclusive group the award that gives most for itself, of equal ones the first.
    fn best_of_groups(&self, sale: &OfSale<'_>, met: &mut Vec<(&AwardId, &AwardRule)>) -> Result<(), OutOfRange> {
        let mut best: BTreeMap<String, (Points, AwardId)> = BTreeMap::new();
        for (id, rule) in met.iter() {
            let Some(group) = &rule.exclusive else { continue };
            let points = sale.points(self.currency, rule.gives, &mut { Rate::SCALE })?;
            if best.get(group).is_none_or(|(most, _)| points > *most) {
                best.insert(group.clone(), (points, (*id).clone()));
            }
        }
        met.retain(|(id, rule)| {
            rule.exclusive.as_ref().is_none_or(|group| best.get(group).is_some_and(|(_, of)| of == *id))
        });
        Ok(())
    }
}
