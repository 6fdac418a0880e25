//! The estimate: what it expects, how it has done, what it rests on, and what people set instead.

use super::{Item, Row, Value, item};
use crate::report::Source;
use crate::sheet::Cell;
use interline_domain::actuarial::experience::{Life, Parameters, UrrTerms};
use interline_domain::close::settlement::{LiabilityRow, RateBasis, cohorts_once};
use interline_domain::units::calendar::Period;
use interline_domain::units::id::{LineId, SchemeId};
use interline_domain::units::micro::Micro;
use interline_domain::units::money::{OutOfRange, Points, Rate};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

const OPEN: Item = item("rate-of-open-points", "未兑积分预计兑换率", "Rate of open points");
const NEW: Item = item("rate-of-new-points", "新发积分预计兑换率", "Rate of new points");
const SPANS: [(u32, Item); 3] = [
    (1, item("actual-to-expected-1", "实际/预期（1 个月）", "Actual to expected, 1 month")),
    (3, item("actual-to-expected-3", "实际/预期（3 个月）", "Actual to expected, 3 months")),
    (12, item("actual-to-expected-12", "实际/预期（12 个月）", "Actual to expected, 12 months")),
];

struct Told {
    period: Period,
    rows: Vec<Row>,
}

impl Told {
    fn add(&mut self, funder: Option<LineId>, item: Item, value: Value) -> &mut Row {
        let (from, to) = (self.period, self.period);
        let row = Row { table: "estimate", book: "", funder, item, span: "", from, to, value, note: String::new() };
        let at = self.rows.len();
        self.rows.push(row);
        &mut self.rows[at]
    }
}

pub(super) fn rows(source: &Source<'_>) -> Result<Vec<Row>, OutOfRange> {
    let mut told = Told { period: source.about.period, rows: Vec::new() };
    new_points(source, &mut told);
    open_points(source, &mut told)?;
    actual_to_expected(source, &mut told)?;
    indicators(source, &mut told);
    parameters(source, &mut told);
    for row in &source.settlement.liability {
        by_person(row, &mut told);
    }
    Ok(told.rows)
}

fn scaled(number: i128) -> Value {
    Value::Part(Cell::Percent(Decimal::try_from_i128_with_scale(number, 8).unwrap_or_default().normalize()))
}

/// By the months that they can be spent in.
fn new_points(source: &Source<'_>, told: &mut Told) {
    let next = source.about.period.next();
    for (scheme, life, rate) in source.settlement.state.urr.rates.in_month(next) {
        let row = told.add(Some(scheme.line()), NEW, Value::Part(Cell::part(rate)));
        (row.from, row.to) = (next, next);
        row.note = match life {
            Life::Months(months) => format!("expires after {months} months / {months} 个月到期"),
            Life::Never => "never expires / 不到期".to_owned(),
        };
    }
}

/// What is still expected to be redeemed of what can be.
fn open_points(source: &Source<'_>, told: &mut Told) -> Result<(), OutOfRange> {
    let mut sums: BTreeMap<Option<LineId>, (Micro, Points)> = BTreeMap::new();
    for state in cohorts_once(&source.settlement.state.liability) {
        let of = &state.liability;
        let open = of.outstanding()?;
        if of.is_over || !open.is_positive() {
            continue;
        }
        for funder in [Some(state.cohort.scheme.line()), None] {
            let (to_come, all) = sums.entry(funder).or_default();
            to_come.add(of.to_come()?)?;
            all.add(open)?;
        }
    }
    for (funder, (to_come, open)) in sums {
        told.add(funder, OPEN, scaled(to_come.share(Rate::SCALE, Micro::of_points(open).get())?.get()));
    }
    Ok(())
}

fn actual_to_expected(source: &Source<'_>, told: &mut Told) -> Result<(), OutOfRange> {
    let (memory, period) = (&source.settlement.state.urr.memory, source.about.period);
    let schemes: BTreeSet<&SchemeId> = memory.compared.iter().map(|row| &row.scheme).collect();
    for scheme in schemes.into_iter().map(Some).chain([None]) {
        for (months, item) in SPANS {
            if let Some(ratio) = memory.ratio(period, months, scheme)? {
                let row = told.add(scheme.map(SchemeId::line), item, scaled(ratio));
                row.from = period.minus_months(months - 1);
            }
        }
    }
    Ok(())
}

fn indicators(source: &Source<'_>, told: &mut Told) {
    let Some(of) = source.settlement.state.urr.indicators else { return };
    for (item, number) in [
        (item("level", "近期兑换水平", "Level of recent redemptions"), of.level),
        (item("pace", "兑换速度调整 φ", "Pace, phi"), of.phi),
        (item("margin", "估计的安全边际", "Margin"), of.margin),
        (item("credibility", "经验数据所占比重 Z", "Weight of experience, Z"), of.z),
    ] {
        told.add(None, item, scaled(number));
    }
}

fn parameters(source: &Source<'_>, told: &mut Told) {
    let method = item("method", "估计方法", "Method");
    let terms = match source.about.rulebook.urr(source.about.period) {
        UrrTerms::Initial => {
            told.add(None, method, Value::Text).note = "initial / 初始兑换率".to_owned();
            return;
        }
        UrrTerms::Experience(terms) => terms,
    };
    told.add(None, method, Value::Text).note = "experience / 经验数据".to_owned();
    let Parameters {
        window_months,
        level_months,
        credibility,
        initial_months,
        margin,
        floor,
        ignore_below,
        horizon_months,
        open_age,
    } = terms;
    for (item, months) in [
        (item("window-months", "经验期", "Window"), window_months),
        (item("level-months", "水平期", "Level"), level_months),
        (item("initial-months", "初始兑换率淡出期", "Months of the initial rate"), initial_months),
        (item("horizon-months", "不到期积分的预计期限", "Horizon of points that never expire"), horizon_months),
        (item("open-age", "不到期积分合并账龄", "One age from"), open_age),
    ] {
        told.add(None, item, Value::Number(Cell::Count(u64::from(months)), "months"));
    }
    told.add(
        None,
        item("credibility-points", "可信度", "Credibility"),
        Value::Number(Cell::Points(credibility), "points"),
    );
    for (item, rate) in [
        (item("margin-multiple", "安全边际倍数", "Multiple of the margin"), margin),
        (item("floor", "未兑积分最低兑换率", "Floor"), floor),
        (item("ignore-below", "不计入经验的界限", "Ignored below"), ignore_below),
    ] {
        told.add(None, item, Value::Part(Cell::part(rate)));
    }
}

fn by_person(row: &LiabilityRow, told: &mut Told) {
    let RateBasis::Manual { reason } = &row.basis else { return };
    let item = item("override", "人工设定的兑换率", "Rate set by a person");
    let of = told.add(Some(row.cohort.scheme.line()), item, Value::Part(Cell::part(row.rate)));
    (of.from, of.to) = (row.cohort.issued, row.cohort.issued);
    of.note.clone_from(reason);
}
