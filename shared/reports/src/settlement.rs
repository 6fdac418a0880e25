//! The settlement as sheets.

use crate::sheet::{Cell, Sheet};
use interline_domain::money::Points;
use interline_domain::rulebook::Rulebook;
use interline_domain::settle::Settlement;
use interline_domain::tally::FlowKind;

pub fn sheets(rulebook: &Rulebook, settlement: &Settlement) -> Vec<Sheet> {
    vec![
        positions(settlement),
        bilateral(settlement),
        payments(rulebook, settlement),
        splits(settlement),
        issuance(settlement),
        roll_forward(settlement),
        checklist(settlement),
    ]
}

fn positions(settlement: &Settlement) -> Sheet {
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
        columns: &["line", "gross_payable", "gross_receivable", "platform_fee", "prior_period", "net", "direction"],
        rows: rows.collect(),
    }
}

fn bilateral(settlement: &Settlement) -> Sheet {
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
        columns: &["payer", "payee", "events", "points", "amount", "prior_period", "net"],
        rows: rows.collect(),
    }
}

fn payments(rulebook: &Rulebook, settlement: &Settlement) -> Sheet {
    let account = |line| rulebook.line(line).map(|line| line.bank_account.as_str()).unwrap_or_default();
    let rows = settlement.payments.iter().enumerate().map(|(at, payment)| {
        vec![
            Cell::text(end_to_end_id(settlement, at)),
            Cell::text(&payment.payer),
            Cell::text(&payment.payee),
            Cell::text(account(&payment.payer)),
            Cell::text(account(&payment.payee)),
            Cell::Money(payment.amount),
            Cell::text(&rulebook.currency),
        ]
    });
    Sheet {
        name: "payments",
        columns: &["end_to_end_id", "payer", "payee", "payer_account", "payee_account", "amount", "currency"],
        rows: rows.collect(),
    }
}

/// The number that a payment carries from order to statement; at most 35 characters.
fn end_to_end_id(settlement: &Settlement, at: usize) -> String {
    format!("IL-{}-{:03}", settlement.state.period, at + 1)
}

fn splits(settlement: &Settlement) -> Sheet {
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
        columns: &[
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
        ],
        rows: rows.collect(),
    }
}

fn issuance(settlement: &Settlement) -> Sheet {
    let rows = settlement.issuance.iter().map(|row| {
        let kind = match row.kind {
            FlowKind::Granted => "grant",
            _ if row.line == row.funder => "sale",
            _ => "sponsored",
        };
        vec![
            Cell::text(&row.funder),
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
        columns: &["funder", "issue_month", "line", "kind", "events", "sales", "points"],
        rows: rows.collect(),
    }
}

fn roll_forward(settlement: &Settlement) -> Sheet {
    let rows = settlement.roll_forward.iter().map(|row| {
        vec![
            Cell::text(&row.cohort.funder),
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
        columns: &[
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
        ],
        rows: rows.collect(),
    }
}

fn checklist(settlement: &Settlement) -> Sheet {
    let rows = settlement.checklist.iter().map(|row| {
        vec![
            Cell::text(&row.check),
            Cell::text(&row.expected),
            Cell::text(&row.actual),
            Cell::text(if row.pass { "yes" } else { "no" }),
        ]
    });
    Sheet { name: "close-checklist", columns: &["check", "expected", "actual", "pass"], rows: rows.collect() }
}
