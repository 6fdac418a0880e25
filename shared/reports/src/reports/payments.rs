//! Who transfers how much to whom.

use crate::erp::pain::end_to_end_id;
use crate::report::{Report, Scope, Source, column, summed};
use crate::sheet::Cell;
use crate::words::words;
use interline_domain::units::money::OutOfRange;

pub const REPORT: Report = Report {
    name: "payments",
    title: words("资金划拨单", "Payments"),
    scope: Scope::ProgrammeAndLines,
    columns: &[
        column("end_to_end_id", "端到端编号", "End to end id"),
        column("payer", "付款方", "Payer"),
        column("payee", "收款方", "Payee"),
        column("payer_account", "付款账号", "Payer account"),
        column("payee_account", "收款账号", "Payee account"),
        summed("amount", "金额", "Amount"),
        column("currency", "币别", "Currency"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let about = source.about;
    // Their places in the period's list number them.
    let payments = source.settlement.payments.iter().enumerate();
    let own = payments.filter(|(_, payment)| source.concerns(&payment.payer) || source.concerns(&payment.payee));
    let rows = own.map(|(at, payment)| {
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
    Ok(rows.collect())
}
