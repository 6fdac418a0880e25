//! The settlement as sheets.

use crate::about::About;
use crate::erp::pain::end_to_end_id;
use crate::sheet::{Cell, Sheet, columns};
use interline_domain::close::netting::Payment;
use interline_domain::close::settlement::{LiabilityRow, RedemptionRateRow, Settlement};
use interline_domain::legs::FlowKind;
use interline_domain::units::money::Points;
use rust_decimal::{Decimal, RoundingStrategy};
use std::borrow::Cow;
use std::iter;

pub fn sheets(about: &About<'_>, settlement: &Settlement) -> Vec<Sheet> {
    vec![
        positions(about, settlement),
        bilateral(about, settlement),
        payments(about, settlement.payments.iter().enumerate()),
        splits(about, settlement),
        issuance(about, settlement),
        roll_forward(about, settlement),
        liability(about, &settlement.liability),
        redemption_rates(about, settlement),
        vouchers(about, settlement),
        expiry_forecast(about, settlement),
        checklist(about, settlement),
    ]
}

fn positions(about: &About<'_>, settlement: &Settlement) -> Sheet {
    let rows = settlement.positions.iter().map(|row| {
        let direction = match row.net.minor() {
            0 => "none",
            net if net < 0 => "pays",
            _ => "receives",
        };
        vec![
            Cell::text(&row.line),
            Cell::Money(row.gross_payable),
            Cell::Money(row.gross_receivable),
            Cell::Money(row.platform_fee),
            Cell::Money(row.prior_period),
            Cell::Money(row.net),
            Cell::text(direction),
        ]
    });
    Sheet {
        name: "positions",
        currency: about.rulebook.currency,
        columns: columns([
            "line",
            "gross_payable",
            "gross_receivable",
            "platform_fee",
            "prior_period",
            "net",
            "direction",
        ]),
        rows: rows.collect(),
    }
}

fn bilateral(about: &About<'_>, settlement: &Settlement) -> Sheet {
    let rows = settlement.bilateral.iter().map(|row| {
        vec![
            Cell::text(&row.payer),
            Cell::text(&row.payee),
            Cell::Count(row.events),
            Cell::Points(row.points),
            Cell::Money(row.amount),
            Cell::Money(row.prior_period),
            Cell::Money(row.net),
        ]
    });
    Sheet {
        name: "bilateral",
        currency: about.rulebook.currency,
        columns: columns(["payer", "payee", "events", "points", "amount", "prior_period", "net"]),
        rows: rows.collect(),
    }
}

/// Payments with their places in the period's list, which number them.
pub fn payments<'a>(about: &About<'_>, payments: impl Iterator<Item = (usize, &'a Payment)>) -> Sheet {
    let rows = payments.map(|(at, payment)| {
        vec![
            Cell::text(end_to_end_id(about, at)),
            Cell::text(&payment.payer),
            Cell::text(&payment.payee),
            Cell::text(about.bank_account(&payment.payer)),
            Cell::text(about.bank_account(&payment.payee)),
            Cell::Money(payment.amount),
            Cell::text(about.rulebook.currency),
        ]
    });
    Sheet {
        name: "payments",
        currency: about.rulebook.currency,
        columns: columns(["end_to_end_id", "payer", "payee", "payer_account", "payee_account", "amount", "currency"]),
        rows: rows.collect(),
    }
}

fn splits(about: &About<'_>, settlement: &Settlement) -> Sheet {
    let rows = settlement.splits.iter().map(|row| {
        vec![
            Cell::text(&row.redeemer),
            Cell::text(&row.payer),
            Cell::text(&row.beneficiary),
            Cell::text(&row.rule),
            Cell::Money(row.base),
            Cell::Rate(row.share.decimal()),
            Cell::Money(row.amount),
            Cell::Money(row.cumulative_base),
            Cell::Money(row.cumulative_amount),
            Cell::Rate(row.rounding),
        ]
    });
    Sheet {
        name: "splits",
        currency: about.rulebook.currency,
        columns: columns([
            "redeemer",
            "payer",
            "beneficiary",
            "rule",
            "base",
            "share",
            "amount",
            "cumulative_base",
            "cumulative_amount",
            "rounding",
        ]),
        rows: rows.collect(),
    }
}

fn issuance(about: &About<'_>, settlement: &Settlement) -> Sheet {
    let rows = settlement.issuance.iter().map(|row| {
        let kind = match row.kind {
            FlowKind::Granted => "grant",
            _ if row.scheme == row.line => "sale",
            _ => "sponsored",
        };
        vec![
            Cell::text(&row.scheme),
            Cell::text(row.issue_month),
            Cell::text(&row.line),
            Cell::text(kind),
            Cell::Count(row.events),
            Cell::Money(row.sales),
            Cell::Points(row.points),
        ]
    });
    Sheet {
        name: "issuance",
        currency: about.rulebook.currency,
        columns: columns(["funder", "issue_month", "line", "kind", "events", "sales", "points"]),
        rows: rows.collect(),
    }
}

fn roll_forward(about: &About<'_>, settlement: &Settlement) -> Sheet {
    let rows = settlement.roll_forward.iter().map(|row| {
        vec![
            Cell::text(&row.cohort.scheme),
            Cell::text(row.cohort.issued),
            Cell::text(row.cohort.expires),
            Cell::Points(row.opening),
            Cell::Points(row.issued),
            Cell::Points(row.redeemed_own),
            Cell::Points(row.redeemed_other),
            Cell::Points(row.expired),
            Cell::Points(row.reversed),
            // No event moves points between members yet.
            Cell::Points(Points::ZERO),
            Cell::Points(row.closing),
        ]
    });
    Sheet {
        name: "points-roll-forward",
        currency: about.rulebook.currency,
        columns: columns([
            "funder",
            "issue_month",
            "expires",
            "opening",
            "issued",
            "redeemed_own",
            "redeemed_other",
            "expired",
            "reversed",
            "transferred",
            "closing",
        ]),
        rows: rows.collect(),
    }
}

pub fn liability<'a>(about: &About<'_>, rows: impl IntoIterator<Item = &'a LiabilityRow>) -> Sheet {
    let rows = rows.into_iter().map(|LiabilityRow { cohort, row, rate, previous_rate, basis, method, outstanding }| {
        // Both are parts of the closing amount, so the difference is in range.
        let non_current = row.closing.minus(row.current).unwrap_or_default();
        vec![
            Cell::text(&cohort.scheme),
            Cell::text(cohort.issued),
            Cell::text(cohort.expires),
            Cell::Money(row.opening),
            Cell::Money(row.added),
            Cell::Money(row.granted),
            Cell::Money(row.own_line_revenue),
            Cell::Money(row.to_payable),
            Cell::Money(row.agent_revenue),
            Cell::Money(row.expired),
            Cell::Money(row.re_estimate),
            Cell::Money(row.reversed),
            Cell::Money(row.closing),
            Cell::Money(row.current),
            Cell::Money(non_current),
            Cell::Points(*outstanding),
            Cell::Rate(rate.decimal()),
            previous_rate.map_or(Cell::Empty, |rate| Cell::Rate(rate.decimal())),
            Cell::text(basis.word()),
            Cell::text(method.word()),
            Cell::text(basis.reason()),
        ]
    });
    Sheet {
        name: "liability-roll-forward",
        currency: about.rulebook.currency,
        columns: columns([
            "funder",
            "issue_month",
            "expires",
            "opening",
            "added",
            "of_which_granted",
            "own_line_revenue",
            "to_payable",
            "agent_revenue",
            "expired",
            "re_estimate",
            "reversed",
            "closing",
            "current_part",
            "non_current_part",
            "outstanding_points",
            "urr",
            "previous_urr",
            "basis",
            "method",
            "reason",
        ]),
        rows: rows.collect(),
    }
}

/// Decimals of age-to-age factors and of actual to expected.
const FACTOR_SCALE: u32 = 6;

/// The triangle: as many columns as the oldest cohort has ages.
fn redemption_rates(about: &About<'_>, settlement: &Settlement) -> Sheet {
    let cohorts = &settlement.redemption_rates;
    let ages = cohorts.iter().map(|row| row.redeemed_by_age.len()).max().unwrap_or_default();
    let known = |row: &RedemptionRateRow| row.factors.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    let factors = cohorts.iter().map(known).max().unwrap_or_default();
    let rounded =
        |number: Option<Decimal>, scale| number.map_or(Cell::Empty, |number| Cell::Rate(round(number, scale)));
    let rows = cohorts.iter().map(|row| {
        let mut cells = vec![
            Cell::text(&row.cohort.scheme),
            Cell::text(row.cohort.issued),
            Cell::text(row.cohort.expires),
            Cell::Rate(Decimal::from(row.age)),
            Cell::Points(row.issued),
        ];
        let redeemed = row.redeemed_by_age.iter().map(|points| Cell::Points(*points));
        cells.extend(redeemed.chain(iter::repeat(Cell::Empty)).take(ages));
        let factor = row.factors.iter().map(|factor| rounded(*factor, FACTOR_SCALE));
        cells.extend(factor.chain(iter::repeat(Cell::Empty)).take(factors));
        cells.extend([
            Cell::text(row.basis.word()),
            Cell::text(row.basis.reason()),
            Cell::Points(row.expected),
            Cell::Rate(row.rate.decimal()),
            rounded(row.standard_error, 0),
            row.actual.map_or(Cell::Empty, Cell::Points),
            rounded(row.expected_of_previous_close, 2),
            rounded(actual_to_expected(row), FACTOR_SCALE),
        ]);
        cells
    });
    let rows = rows.collect();
    let mut columns = columns(["funder", "issue_month", "expires", "age", "issued"]);
    columns.extend((0..ages).map(|age| Cow::Owned(format!("redeemed_age_{age}"))));
    columns.extend((0..factors).map(|age| Cow::Owned(format!("factor_age_{age}"))));
    columns.extend(
        ["basis", "reason", "ultimate", "urr", "standard_error", "actual", "expected", "actual_to_expected"]
            .map(Cow::Borrowed),
    );
    Sheet { name: "redemption-rates", currency: about.rulebook.currency, columns, rows }
}

/// `None` when the previous close expected nothing definite, or nothing at all.
pub fn actual_to_expected(row: &RedemptionRateRow) -> Option<Decimal> {
    let (actual, expected) = (row.actual?, row.expected_of_previous_close?);
    Decimal::from(actual.get()).checked_div(expected)
}

fn round(number: Decimal, scale: u32) -> Decimal {
    number.round_dp_with_strategy(scale, RoundingStrategy::MidpointAwayFromZero).normalize()
}

fn vouchers(about: &About<'_>, settlement: &Settlement) -> Sheet {
    let lines = settlement.vouchers.iter().flat_map(|voucher| {
        let numbered = voucher.lines.iter().zip(1_u64..);
        numbered.map(move |(line, number)| {
            vec![
                Cell::text(&voucher.entity),
                Cell::text(voucher.date),
                Cell::text(voucher.number),
                Cell::text(voucher.event.word()),
                Cell::text(number),
                Cell::text(&line.summary),
                Cell::text(&line.account),
                Cell::text(&line.account_name),
                Cell::text(line.role.word()),
                Cell::Money(line.debit),
                Cell::Money(line.credit),
                line.counterparty.as_ref().map_or(Cell::Empty, Cell::text),
            ]
        })
    });
    Sheet {
        name: "vouchers",
        currency: about.rulebook.currency,
        columns: columns([
            "entity",
            "date",
            "voucher",
            "event",
            "line_number",
            "summary",
            "account",
            "account_name",
            "role",
            "debit",
            "credit",
            "counterparty",
        ]),
        rows: lines.collect(),
    }
}

fn expiry_forecast(about: &About<'_>, settlement: &Settlement) -> Sheet {
    let rows = settlement.expiry_forecast.iter().map(|row| {
        vec![
            Cell::text(&row.scheme),
            Cell::text(row.month),
            Cell::Points(row.points),
            Cell::Money(row.value),
            Cell::Money(row.liability),
        ]
    });
    Sheet {
        name: "expiry-forecast",
        currency: about.rulebook.currency,
        columns: columns(["funder", "month", "points", "value", "liability"]),
        rows: rows.collect(),
    }
}

fn checklist(about: &About<'_>, settlement: &Settlement) -> Sheet {
    let rows = settlement.checklist.iter().map(|row| {
        vec![
            Cell::text(&row.check),
            Cell::text(&row.expected),
            Cell::text(&row.actual),
            Cell::text(if row.pass { "yes" } else { "no" }),
        ]
    });
    Sheet {
        name: "close-checklist",
        currency: about.rulebook.currency,
        columns: columns(["check", "expected", "actual", "pass"]),
        rows: rows.collect(),
    }
}
