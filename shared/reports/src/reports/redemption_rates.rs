//! The redemption triangle: as many columns as the oldest cohort has ages, and what is made of it.
//! Cohorts are not of one age, so ages do not add up; nor does what only some cohorts were expected to do.

use crate::report::{Report, Scope, Source, column, numbered, summed};
use crate::sheet::Cell;
use crate::words::words;
use interline_domain::close::settlement::Evidence;
use interline_domain::close::settlement::{RedemptionRateRow, Settlement};
use interline_domain::units::micro::Micro;
use interline_domain::units::money::OutOfRange;
use rust_decimal::{Decimal, RoundingStrategy};
use std::iter;

/// Decimals of age-to-age factors and of actual to expected.
const FACTOR_SCALE: u32 = 6;

pub const REPORT: Report = Report {
    name: "redemption-rates",
    title: words("兑换率测算表", "Redemption rates"),
    scope: Scope::Programme,
    columns: &[
        column("funder", "承担方", "Funder"),
        column("issue_month", "发行月", "Issue month"),
        column("expires", "到期日", "Expires"),
        column("age", "账龄(月)", "Age"),
        summed("issued", "发行", "Issued"),
        numbered("redeemed_age", "第{}月累计兑换", "Redeemed age {}", ages),
        numbered("factor_age", "第{}月进展因子", "Factor age {}", factors),
        column("basis", "测算依据", "Basis"),
        column("reason", "原因", "Reason"),
        summed("ultimate", "最终兑换", "Ultimate"),
        column("urr", "最终兑换率", "URR"),
        column("chain_ladder", "链梯法", "Chain ladder"),
        column("standard_error", "标准误差", "Standard error"),
        column("chain_ladder_low", "链梯法下限", "Chain ladder low"),
        column("chain_ladder_high", "链梯法上限", "Chain ladder high"),
        column("cape_cod", "Cape Cod 法", "Cape Cod"),
        column("additive", "加法法", "Additive"),
        column("survival", "存续法", "Survival"),
        column("actual", "实际", "Actual"),
        column("expected", "预期", "Expected"),
        column("actual_to_expected", "实际/预期", "Actual to expected"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let settlement = source.settlement;
    let (ages, factors) = (ages(settlement), factors(settlement));
    let rounded =
        |number: Option<Decimal>, scale| number.map_or(Cell::Empty, |number| Cell::Rate(round(number, scale)));
    let rows = settlement.redemption_rates.iter().map(|row| {
        let mut cells = vec![
            Cell::text(&row.cohort.scheme),
            Cell::text(row.cohort.issued),
            Cell::text(row.cohort.expires),
            Cell::Count(row.age as u64),
            Cell::Points(row.issued),
        ];
        let redeemed = row.redeemed_by_age.iter().map(|points| Cell::Points(*points));
        cells.extend(redeemed.chain(iter::repeat(Cell::Empty)).take(ages));
        let of = &row.evidence;
        let factor = of.factors.iter().map(|factor| rounded(*factor, FACTOR_SCALE));
        cells.extend(factor.chain(iter::repeat(Cell::Empty)).take(factors));
        cells.extend([
            Cell::word(row.basis.word()),
            Cell::text(row.basis.reason()),
            Cell::Points(row.expected),
            Cell::part(row.rate),
            rounded(of.chain_ladder, 0),
            rounded(of.standard_error, 0),
            rounded(range(of, |ladder, error| ladder.checked_sub(error)), 0),
            rounded(range(of, |ladder, error| ladder.checked_add(error)), 0),
            rounded(of.cape_cod, 0),
            rounded(of.additive, 0),
            rounded(of.survival, 0),
            row.actual.map_or(Cell::Empty, Cell::Points),
            rounded(row.expected_of_previous_close.map(points), 2),
            rounded(actual_to_expected(row), FACTOR_SCALE),
        ]);
        cells
    });
    Ok(rows.collect())
}

fn ages(settlement: &Settlement) -> usize {
    settlement.redemption_rates.iter().map(|row| row.redeemed_by_age.len()).max().unwrap_or_default()
}

/// As many as some cohort tells.
fn factors(settlement: &Settlement) -> usize {
    let known =
        |row: &RedemptionRateRow| row.evidence.factors.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    settlement.redemption_rates.iter().map(known).max().unwrap_or_default()
}

/// `None` when the previous close expected nothing definite, or nothing at all.
fn actual_to_expected(row: &RedemptionRateRow) -> Option<Decimal> {
    let (actual, expected) = (row.actual?, row.expected_of_previous_close?);
    Decimal::from(actual.get()).checked_div(points(expected))
}

fn points(micro: Micro) -> Decimal {
    Decimal::try_from_i128_with_scale(micro.get(), 6).unwrap_or_default()
}

/// One standard error around the chain ladder's ultimate, which alone it belongs to.
fn range(of: &Evidence, at: impl Fn(Decimal, Decimal) -> Option<Decimal>) -> Option<Decimal> {
    at(of.chain_ladder?, of.standard_error?).map(|points| points.max(Decimal::ZERO))
}

fn round(number: Decimal, scale: u32) -> Decimal {
    number.round_dp_with_strategy(scale, RoundingStrategy::MidpointAwayFromZero).normalize()
}
