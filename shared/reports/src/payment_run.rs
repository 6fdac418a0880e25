//! A run of payments: what the bank has carried out of a sealed month's payments, with its vouchers. Runs
//! lie write-once beside the month, numbered from one.

use crate::about::About;
use crate::error::RenderError;
use crate::manifest::{RunKind, RunName};
use crate::pack::{CASH, PackFile, csv, for_accounting};
use crate::reports::vouchers;
use chrono::{DateTime, NaiveDate, Utc};
use interline_domain::close::books::{Paid, Voucher, cash_vouchers};
use interline_domain::close::netting::Payment;
use interline_domain::close::settlement::Settlement;
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use serde::{Deserialize, Serialize};

pub const PAYMENT_RUN_SCHEMA: &str = "interline.payment-run.v1";
/// The file that says what a run is.
pub const PAYMENT_RUN: &str = "run.json";

/// Where a file of a run of payments lies.
pub fn payment_key(period: Period, number: u32, path: &str) -> String {
    format!("payments/{period}/{number}/{path}")
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentRun {
    pub schema: String,
    pub period: Period,
    /// From one.
    pub number: u32,
    /// The final run whose payments these are, and the SHA-256 of its manifest.
    pub run: String,
    pub manifest: String,
    pub confirmed_at: DateTime<Utc>,
    /// Who confirmed them, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    pub confirmed: Vec<Confirmed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmed {
    /// As it was ordered by.
    pub end_to_end_id: String,
    pub payment: Payment,
    /// When the bank booked it.
    pub day: NaiveDate,
}

impl PaymentRun {
    /// Its vouchers; `before`: the month's own and those of earlier runs, after which they are numbered.
    pub fn vouchers(&self, rulebook: &Rulebook, before: &[Voucher]) -> Result<Vec<Voucher>, RenderError> {
        let paid: Vec<Paid<'_>> = self.confirmed.iter().map(|of| Paid { payment: &of.payment, day: of.day }).collect();
        Ok(cash_vouchers(rulebook, self.period, before, &paid)?)
    }

    /// The files beside it, for accounting.
    pub fn files(&self, rulebook: &Rulebook, vouchers: &[Voucher]) -> Result<Vec<PackFile>, RenderError> {
        let run = RunName { kind: RunKind::Final, id: self.run.clone() };
        let about = About { rulebook, period: self.period, run: &run };
        let mut files = vec![csv("", &vouchers::cash(&about, vouchers))];
        files.extend(for_accounting(&about, CASH, vouchers)?);
        Ok(files)
    }
}

/// The vouchers of a month and of its runs of payments, in their order.
pub fn all_vouchers(
    settlement: &Settlement,
    rulebook: &Rulebook,
    runs: &[PaymentRun],
) -> Result<Vec<Voucher>, RenderError> {
    let mut all = settlement.vouchers.clone();
    all.extend(settlement.cash_vouchers.iter().cloned());
    for run in runs {
        let own = run.vouchers(rulebook, &all)?;
        all.extend(own);
    }
    Ok(all)
}
