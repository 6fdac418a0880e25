//! Confirms payments of a sealed month: what the bank has carried out becomes a run of payments, with the
//! vouchers of its day.

use crate::app::App;
use crate::failure::Failure;
use crate::finished::FinishedRun;
use chrono::NaiveDate;
use interline_domain::close::orders::orders;
use interline_domain::close::settlement::Settlement;
use interline_domain::terms::rulebook::{Cash, Rulebook};
use interline_domain::units::calendar::Period;
use interline_domain::units::currency::Currency;
use interline_reports::camt::Booked;
use interline_reports::payment_run::{
    Confirmed, PAYMENT_RUN, PAYMENT_RUN_SCHEMA, PaymentRun, all_vouchers, payment_key,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How often somebody else may have been faster.
const TRIES: usize = 8;

/// What the bank has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carried {
    /// All that is not confirmed yet, on the day of each order, or on one.
    Whole { paid_on: Option<NaiveDate> },
    /// What statements say.
    Booked(Vec<Booked>),
}

/// Why payments were not confirmed.
#[derive(Debug, thiserror::Error)]
pub enum NotConfirmed {
    #[error("{0} has no final run, and so nothing to pay")]
    NotFinal(Period),
    #[error("nothing of {0} is left to confirm")]
    Nothing(Period),
    #[error("the rulebook says that payments of {0} are booked as planned, at the close (cash = \"planned\")")]
    Planned(Period),
    #[error("{day} does not lie after {period}")]
    TooEarly { day: NaiveDate, period: Period },
    #[error("{id}: the statement says {said}, {} was ordered", .ordered)]
    OtherAmount { id: String, said: String, ordered: String },
    #[error("payments of {0} are being confirmed by others: try again")]
    AtOnce(Period),
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// A month's payments, with what is confirmed of them.
pub struct Payments {
    pub settlement: Settlement,
    pub rulebook: Arc<Rulebook>,
    pub runs: Vec<PaymentRun>,
    run: String,
    manifest: String,
}

impl Payments {
    pub async fn read(app: &App, period: Period) -> Result<Self, NotConfirmed> {
        let run = app.ledger.period(period).await.map_err(Failure::from)?.into_final_run();
        let run = run.ok_or(NotConfirmed::NotFinal(period))?;
        let finished = FinishedRun::read(app, period, &run).await?;
        let settlement = finished.settlement().await?;
        let rulebook = app.rulebook_by_hash(&run.rulebook).await?.rulebook.clone();
        let runs = runs(app, period).await?;
        Ok(Self { settlement, rulebook, runs, run: run.id.clone(), manifest: run.manifest })
    }

    pub fn currency(&self) -> Currency {
        self.rulebook.currency
    }

    /// What was ordered and is not confirmed, with the day of the order.
    pub fn open(&self, period: Period) -> Vec<Confirmed> {
        let done: BTreeSet<&str> =
            self.runs.iter().flat_map(|run| &run.confirmed).map(|of| of.end_to_end_id.as_str()).collect();
        let orders = orders(&self.rulebook, period, &self.settlement.payments).into_iter().map(|order| Confirmed {
            payment: order.payment.clone(),
            day: order.date,
            end_to_end_id: order.end_to_end_id,
        });
        orders.filter(|order| !done.contains(order.end_to_end_id.as_str())).collect()
    }

    /// Every payment: those that are confirmed with their run, in its order, then what is open.
    pub fn all(&self, period: Period) -> Vec<(Option<u32>, Confirmed)> {
        let runs = self.runs.iter();
        let confirmed = runs.flat_map(|run| run.confirmed.iter().map(|of| (Some(run.number), of.clone())));
        confirmed.chain(self.open(period).into_iter().map(|of| (None, of))).collect()
    }

    /// As the command line and the API show a payment.
    pub fn shown(&self, run: Option<u32>, of: &Confirmed) -> Value {
        json!({
            "end_to_end_id": of.end_to_end_id, "payer": of.payment.payer, "payee": of.payment.payee,
            "amount": self.currency().show(of.payment.amount).to_string(), "day": of.day, "run": run,
        })
    }
}

/// The runs of payments of a month, in their order.
async fn runs(app: &App, period: Period) -> Result<Vec<PaymentRun>, Failure> {
    let mut runs = Vec::new();
    for number in 1.. {
        let key = payment_key(period, number, PAYMENT_RUN);
        // Asked for by its name: who may list only what begins so is told of nothing else that it is missing.
        if app.reports.count(&key, 1).await? == 0 {
            break;
        }
        let bytes = app.reports.get(&key).await?;
        let run: PaymentRun = serde_json::from_slice(&bytes)
            .map_err(|error| Failure::Corrupt(format!("object {key} is no run of payments: {error}")))?;
        if (run.schema.as_str(), run.period, run.number) != (PAYMENT_RUN_SCHEMA, period, number) {
            return Err(Failure::Corrupt(format!("object {key} is another run of payments")));
        }
        runs.push(run);
    }
    Ok(runs)
}

/// Confirms what was carried out. Repeating it confirms what is left; what a run that broke off left
/// unwritten is written by the next call, whatever it is of. Of several at once each payment is of one.
pub async fn confirm(
    app: &App,
    period: Period,
    carried: &Carried,
    by: Option<&str>,
) -> Result<(PaymentRun, Payments), NotConfirmed> {
    for _ in 0..TRIES {
        match confirm_once(app, period, carried, by).await {
            // What the other one has left is seen by looking again.
            Err(NotConfirmed::AtOnce(_)) => {}
            done => return done,
        }
    }
    Err(NotConfirmed::AtOnce(period))
}

async fn confirm_once(
    app: &App,
    period: Period,
    carried: &Carried,
    by: Option<&str>,
) -> Result<(PaymentRun, Payments), NotConfirmed> {
    let mut payments = Payments::read(app, period).await?;
    write_files(app, &payments).await?;
    if payments.rulebook.books(period).cash == Cash::Planned {
        return Err(NotConfirmed::Planned(period));
    }
    let confirmed = selected(period, &payments, carried)?;
    if confirmed.is_empty() {
        return Err(NotConfirmed::Nothing(period));
    }
    let number = u32::try_from(payments.runs.len()).map_err(|_| NotConfirmed::Nothing(period))?.saturating_add(1);
    let run = PaymentRun {
        schema: PAYMENT_RUN_SCHEMA.to_owned(),
        period,
        number,
        run: payments.run.clone(),
        manifest: payments.manifest.clone(),
        confirmed_at: app.now(),
        by: by.map(str::to_owned),
        confirmed,
    };
    let mut bytes = serde_json::to_vec_pretty(&run).map_err(Failure::from)?;
    bytes.push(b'\n');
    let key = payment_key(period, number, PAYMENT_RUN);
    if !app.reports.put_new(&key, bytes).await.map_err(Failure::from)? {
        return Err(NotConfirmed::AtOnce(period));
    }
    payments.runs.push(run.clone());
    write_files(app, &payments).await?;
    Ok((run, payments))
}

fn selected(period: Period, payments: &Payments, carried: &Carried) -> Result<Vec<Confirmed>, NotConfirmed> {
    let open = payments.open(period);
    let currency = payments.currency();
    let check = |day: NaiveDate| match day > period.last_day() {
        true => Ok(day),
        false => Err(NotConfirmed::TooEarly { day, period }),
    };
    match carried {
        Carried::Whole { paid_on } => {
            let day = paid_on.map(check).transpose()?;
            Ok(open.into_iter().map(|of| Confirmed { day: day.unwrap_or(of.day), ..of }).collect())
        }
        Carried::Booked(booked) => {
            let mut confirmed = Vec::new();
            for order in open {
                // Where both sides stand in the statements, the payer's is the first.
                let Some(booked) = booked.iter().find(|booked| booked.end_to_end_id == order.end_to_end_id) else {
                    continue;
                };
                if booked.amount != order.payment.amount {
                    return Err(NotConfirmed::OtherAmount {
                        id: order.end_to_end_id,
                        said: currency.show(booked.amount).to_string(),
                        ordered: currency.show(order.payment.amount).to_string(),
                    });
                }
                confirmed.push(Confirmed { day: check(booked.day)?, ..order });
            }
            Ok(confirmed)
        }
    }
}

/// The vouchers of every run, which follow from what it says.
async fn write_files(app: &App, payments: &Payments) -> Result<(), NotConfirmed> {
    let broken = |error| Failure::Corrupt(format!("the vouchers of payments were not rendered: {error}"));
    for (at, run) in payments.runs.iter().enumerate() {
        let before = all_vouchers(&payments.settlement, &payments.rulebook, &payments.runs[..at]).map_err(broken)?;
        let vouchers = run.vouchers(&payments.rulebook, &before).map_err(broken)?;
        for file in run.files(&payments.rulebook, &vouchers).map_err(broken)? {
            let key = payment_key(run.period, run.number, &file.entry.path);
            app.reports.put_once(&key, file.bytes).await.map_err(Failure::from)?;
        }
    }
    Ok(())
}
