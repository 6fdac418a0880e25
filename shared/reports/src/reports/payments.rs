//! Who transfers how much to whom: the list that is uploaded to, or typed at, a bank.

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
        column("date", "付款日期", "Date"),
        column("leg", "收付方向", "Leg"),
        column("payer_name", "付款方户名", "Payer name"),
        column("payer_bank", "付款方开户行", "Payer bank"),
        column("payer_cnaps", "付款方联行号", "Payer CNAPS"),
        column("payer_bic", "付款方 BIC", "Payer BIC"),
        column("payee_name", "收款方户名", "Payee name"),
        column("payee_bank", "收款方开户行", "Payee bank"),
        column("payee_cnaps", "收款方联行号", "Payee CNAPS"),
        column("payee_bic", "收款方 BIC", "Payee BIC"),
        column("purpose", "用途", "Purpose"),
        column("order", "指令状态", "Order"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let about = source.about;
    let orders = about.orders(&source.settlement.payments);
    let own =
        orders.iter().filter(|order| source.concerns(&order.payment.payer) || source.concerns(&order.payment.payee));
    let rows = own.map(|order| {
        let (payer, payee) = (&order.payment.payer, &order.payment.payee);
        let mut row = vec![
            Cell::text(&order.end_to_end_id),
            Cell::text(payer),
            Cell::text(payee),
            Cell::text(about.bank_account(payer)),
            Cell::text(about.bank_account(payee)),
            Cell::Money(order.payment.amount),
            Cell::text(about.rulebook.currency),
            Cell::text(order.date),
            Cell::word(order.leg.word()),
        ];
        for line in [payer, payee] {
            row.push(Cell::text(about.holder(line)));
            row.push(Cell::text(about.of_line(line, |line| &line.bank_name)));
            row.push(Cell::text(about.of_line(line, |line| &line.cnaps)));
            row.push(Cell::text(about.of_line(line, |line| &line.bic)));
        }
        row.extend([Cell::text(about.purpose()), Cell::word(order.standing.word())]);
        row
    });
    Ok(rows.collect())
}
