//! The reports, one file each: name, words, columns and rows.

pub mod back_test;
pub mod bilateral;
pub mod close_checklist;
pub mod consolidation;
pub mod debts;
pub mod disclosure;
pub mod expiry_forecast;
pub mod funding;
pub mod invoices;
pub mod issuance;
pub mod liability_roll_forward;
pub mod payments;
pub mod points_roll_forward;
pub mod positions;
pub mod provision_roll_forward;
pub mod redemption_rates;
pub mod schemes;
pub mod sentences;
pub mod splits;
pub mod statement;
pub mod vouchers;

use crate::report::Report;

/// In the order of the workbook.
pub const REPORTS: &[&Report] = &[
    &positions::REPORT,
    &bilateral::REPORT,
    &payments::REPORT,
    &splits::REPORT,
    &schemes::REPORT,
    &funding::REPORT,
    &issuance::REPORT,
    &points_roll_forward::REPORT,
    &liability_roll_forward::REPORT,
    &provision_roll_forward::REPORT,
    &sentences::REPORT,
    &disclosure::REPORT,
    &redemption_rates::REPORT,
    &back_test::REPORT,
    &vouchers::REPORT,
    &consolidation::REPORT,
    &invoices::REPORT,
    &debts::REPORT,
    &expiry_forecast::REPORT,
    &close_checklist::REPORT,
    &statement::REPORT,
];
