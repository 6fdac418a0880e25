//! What the statement of the settlement and that of one line have in common.

use super::chart::{Scale, Step};
use super::page::{amount, number, pair, say, scroll};
use crate::about::About;
use crate::manifest::RunKind;
use crate::sentences::Sentence;
use crate::words::{Words, basis_words, words};
use interline_domain::actuarial::liability::RollForward;
use interline_domain::close::orders::Order;
use interline_domain::close::settlement::LiabilityRow;
use interline_domain::terms::rulebook::Netting;
use interline_domain::units::id::LineId;
use interline_domain::units::money::{Money, OutOfRange, Points};
use maud::{Markup, html};

pub fn line_name(about: &About<'_>, line: &LineId) -> Markup {
    pair(about.name_zh(line), about.name_en(line))
}

pub fn mark(about: &About<'_>) -> Markup {
    match about.run.kind {
        RunKind::Final => html! { span.mark { (say("终版", "FINAL")) } },
        RunKind::Trial => html! { span.mark.trial { (say("试算", "TRIAL")) } },
    }
}

/// A trial says in words what it must not be used for.
pub fn trial_notice(about: &About<'_>) -> Markup {
    match about.run.kind {
        RunKind::Final => html! {},
        RunKind::Trial => html! {
            p.notice role="note" {
                (say("试算结果，可能变动；不得据以记账或付款。", "A trial: figures may change. Do not post or pay from it."))
            }
        },
    }
}

/// Programme, period and run.
pub fn facts(about: &About<'_>) -> Markup {
    let (first, last) = (about.period.first_day(), about.period.last_day());
    let days = about.payment_days();
    html! {
        dl.facts {
            div { dt { (say("期间", "Period")) } dd { (first) " – " (last) } }
            div { dt { (say("批次", "Run")) } dd { (about.run.id) } }
            div { dt { (say("币别", "Currency")) } dd { (about.rulebook.currency) } }
            div { dt { (say("时区", "Time zone")) } dd { (about.rulebook.zone) } }
            div { dt { (say("付款日", "Payment day")) } dd {
                (days.incoming)
                @if about.rulebook.netting == Netting::Hub && days.outgoing != days.incoming { " · " (days.outgoing) }
            } }
        }
    }
}

pub fn figure(label: &Words, file: &str, value: &Markup, note: &Markup) -> Markup {
    html! {
        div {
            dt { a href=(file) { (super::page::both(label)) } }
            dd { (value) small { (note) } }
        }
    }
}

/// Under a headline figure: what it was the month before, and what it has come to since the year's first day or was
/// on it.
pub fn beside(before: Option<Markup>, year: &Words, of_year: &Markup) -> Markup {
    html! {
        span.beside {
            @if let Some(before) = before { (say("上月 ", "month before ")) (before) " · " }
            (super::page::both(year)) " " (of_year)
        }
    }
}

pub const YEAR_TO_DATE: Words = words("本年累计", "year to date");
pub const YEAR_OPENING: Words = words("年初", "year’s opening");

/// Why it moved, funder by funder.
pub fn sentences_list(sentences: &[Sentence]) -> Markup {
    html! {
        ul.sentences {
            @for sentence in sentences { li { (super::page::both(&sentence.words())) } }
        }
    }
}

pub fn payments_table(about: &About<'_>, orders: &[Order<'_>]) -> Markup {
    html! {
        table {
            thead {
                tr {
                    th.wide scope="col" { (say("端到端编号", "End-to-end id")) }
                    th.wide scope="col" { (say("付款日期", "Date")) }
                    th scope="col" { (say("付款方", "Payer")) }
                    th scope="col" { (say("收款方", "Payee")) }
                    th.wide scope="col" { (say("付款账号", "From account")) }
                    th.wide scope="col" { (say("收款账号", "To account")) }
                    th.n scope="col" { (say("金额", "Amount")) }
                }
            }
            tbody {
                @for order in orders {
                    @let payment = order.payment;
                    tr {
                        td.code.wide { (order.end_to_end_id) }
                        td.wide { (order.date) }
                        td { (line_name(about, &payment.payer)) }
                        td { (line_name(about, &payment.payee)) }
                        td.code.wide { (about.bank_account(&payment.payer)) }
                        td.code.wide { (about.bank_account(&payment.payee)) }
                        td.n { (amount(about, payment.amount)) }
                    }
                }
            }
        }
    }
}

pub fn total<'a>(rows: impl IntoIterator<Item = &'a LiabilityRow>) -> Result<RollForward, OutOfRange> {
    rows.into_iter().try_fold(RollForward::default(), |sum, row| sum.plus(&row.row))
}

/// What of contract liability and provision is expected to be used within twelve months.
pub fn current<'a>(rows: impl IntoIterator<Item = &'a LiabilityRow>) -> Result<Money, OutOfRange> {
    rows.into_iter().try_fold(Money::ZERO, |sum, row| sum.plus(row.current()?))
}

/// What of a roll-forward's parts changes the balance, signed as it does.
fn changes(row: &RollForward) -> Result<[(Words, Money); 9], OutOfRange> {
    Ok([
        (words("本期增加", "Added"), row.added),
        (words("本线兑换收入", "Own-line revenue"), row.own_line_revenue.negated()?),
        (words("他线兑换·转应付", "To other lines’ payables"), row.to_payable.negated()?),
        (words("他线兑换·代理收入", "Agent revenue"), row.agent_revenue.negated()?),
        (words("失效", "Breakage"), row.breakage.negated()?),
        (words("重估", "Re-estimate"), row.re_estimate.negated()?),
        (words("重新计量", "Remeasured"), row.remeasured.negated()?),
        (words("过期", "Expired"), row.expired.negated()?),
        (words("退货收回", "Reversed"), row.reversed.negated()?),
    ])
}

/// The roll-forward from opening to closing, step by step.
pub fn waterfall(about: &About<'_>, row: &RollForward, label: &str) -> Result<Markup, OutOfRange> {
    let mut balance = row.opening;
    let mut steps = vec![(words("期初余额", "Opening"), row.opening, Step::Total(row.opening.minor()))];
    let mut edges = vec![row.opening.minor()];
    for (name, change) in changes(row)? {
        let after = balance.plus(change)?;
        steps.push((name, change, Step::Change { before: balance.minor(), after: after.minor() }));
        edges.push(after.minor());
        balance = after;
    }
    steps.push((words("期末余额", "Closing"), row.closing, Step::Total(row.closing.minor())));
    edges.push(row.closing.minor());
    let scale = Scale::of(edges);
    let last = steps.len() - 1;
    Ok(html! {
        table.chart.waterfall.keep aria-labelledby=(label) {
            thead.hidden {
                tr { th scope="col" { (say("项目", "Step")) } th scope="col" {} th scope="col" { (say("金额", "Amount")) } }
            }
            tbody {
                @for (at, (name, value, step)) in steps.iter().enumerate() {
                    tr.total[matches!(step, Step::Total(_))] {
                        th scope="row" { (super::page::both(name)) }
                        td.bar { (scale.step(*step, at == 0, at == last)) }
                        td.n {
                            @if matches!(step, Step::Change { .. }) && value.is_positive() { "+" }
                            (amount(about, *value))
                        }
                    }
                }
            }
        }
    })
}

/// One row of a roll-forward's table: what it is of, and its points outstanding.
pub struct LiabilityLine {
    pub name: Markup,
    pub row: RollForward,
    /// What is expected to be used within twelve months, of the provision, too.
    pub current: Money,
    pub outstanding: Points,
    /// The rate and what it rests on, where the row is one cohort.
    pub rate: Option<Markup>,
}

pub fn rate_of(row: &LiabilityRow) -> Markup {
    let basis = basis_words(&row.basis);
    html! {
        (super::page::rate_percent(row.rate)) " "
        span.quiet { (super::page::both(&basis)) }
    }
}

/// Roll-forwards side by side with their sum. What lowers the liability is
/// negative here, so that each row adds up as it reads.
pub fn liability_table(
    about: &About<'_>,
    label: &str,
    of: &Words,
    lines: &[LiabilityLine],
) -> Result<Markup, OutOfRange> {
    let sum = lines.iter().try_fold(RollForward::default(), |sum, line| sum.plus(&line.row))?;
    let outstanding = Points::sum(lines.iter().map(|line| line.outstanding))?;
    let rated = lines.iter().any(|line| line.rate.is_some());
    let names = changes(&sum)?;
    let current = Money::sum(lines.iter().map(|line| line.current))?;
    let cells = |row: &RollForward, current: Money| -> Result<Markup, OutOfRange> {
        Ok(html! {
            td.n { (amount(about, row.opening)) }
            @for (_, change) in changes(row)? { td.n { (amount(about, change)) } }
            td.n { strong { (amount(about, row.closing)) } }
            td.n { (amount(about, current)) }
        })
    };
    let mut rows = Vec::new();
    for line in lines {
        rows.push(html! {
            tr {
                th scope="row" { (line.name) }
                (cells(&line.row, line.current)?)
                td.n { (number(line.outstanding)) }
                @if rated { td.keep-line { @if let Some(rate) = &line.rate { (rate) } } }
            }
        });
    }
    let table = html! {
        table.matrix.dense {
            thead {
                tr {
                    th scope="col" { (super::page::both(of)) }
                    th.n scope="col" { (say("期初", "Opening")) }
                    @for (name, _) in &names { th.n scope="col" { (super::page::both(name)) } }
                    th.n scope="col" { (say("期末", "Closing")) }
                    th.n scope="col" { (say("流动部分", "Current")) }
                    th.n scope="col" { (say("未兑积分", "Points")) }
                    @if rated { th scope="col" { (say("最终兑换率", "URR")) } }
                }
            }
            tbody { @for row in &rows { (row) } }
            tfoot {
                tr {
                    th scope="row" { (say("合计", "Total")) }
                    (cells(&sum, current)?)
                    td.n { (number(outstanding)) }
                    @if rated { td {} }
                }
            }
        }
    };
    Ok(scroll(label, &table))
}
