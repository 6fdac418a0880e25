//! The statement of a settlement: `statement.html`.

use super::campaigns::campaigns;
use super::chart::{Scale, heat};
use super::page::{amount, both, grouped, links, number, page, pair, percent, say, scroll, section, written};
use super::parts::{
    LiabilityLine, YEAR_OPENING, YEAR_TO_DATE, beside, current, facts, figure, liability_table, line_name, mark,
    payments_table, sentences_list, total, trial_notice, waterfall,
};
use crate::about::About;
use crate::document::{Comparison, Figures};
use crate::reports;
use crate::sentences::sentences;
use crate::words::{check_words, words};
use interline_domain::actuarial::liability::ProvisionRow;
use interline_domain::close::books::Voucher;
use interline_domain::close::orders::Standing;
use interline_domain::close::settlement::{Bilateral, LiabilityRow, Settlement};
use interline_domain::terms::rulebook::Netting;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::LineId;
use interline_domain::units::money::{Money, OutOfRange, Points};
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

/// `files`: the paths of the pack's other files, relative to this one.
pub fn statement(
    about: &About<'_>,
    settlement: &Settlement,
    comparison: &Comparison,
    files: &[String],
) -> Result<Vec<u8>, OutOfRange> {
    let title = format!("{} {} · 积分结算报表 Points settlement", about.rulebook.name, about.period);
    let content = html! {
        header {
            p.eyebrow { (about.rulebook.name) }
            h1 { (about.period) " " (say("积分结算报表", "points settlement")) " " (mark(about)) }
            (trial_notice(about))
            (facts(about))
            (figures(about, settlement, comparison)?)
        }
        main {
            (positions(about, settlement)?)
            (flows(about, settlement)?)
            (payments(about, settlement, files)?)
            (campaigns(about, settlement, None)?)
            (liability(about, settlement, comparison)?)
            (triangle(settlement)?)
            (forecast(about, settlement)?)
            (books(about, settlement, files)?)
            (checklist(settlement))
            (all_files(files))
        }
        footer {
            (say(
                "由结算数据直接生成；相同的结算得到完全相同的文件。",
                "Rendered from the settlement alone: the same settlement gives the same bytes.",
            ))
            " " (say("规则书", "Rulebook")) " " (about.rulebook.hash)
        }
    };
    Ok(page(&title, &content))
}

/// The headline figures, each beside the month before and the year so far.
fn figures(about: &About<'_>, settlement: &Settlement, comparison: &Comparison) -> Result<Markup, OutOfRange> {
    let (year, before) = (&comparison.year_to_date, comparison.month_before.as_ref());
    let (of_year, of_before) = (year.total()?, before.map(Figures::total).transpose()?);
    let shown = |money: Money| amount(about, money);
    let liability = total(&settlement.liability)?;
    let outstanding = Points::sum(settlement.roll_forward.iter().map(|row| row.closing))?;
    let passed = settlement.checklist.iter().filter(|check| check.pass).count();
    let all = settlement.checklist.len();
    let payments = settlement.payments.len();
    let verdict = html! {
        @if passed == all { (say("✓ 全部通过", "✓ all passed")) }
        @else if settlement.passes() { span.warn { (say("! 有提示项", "! with warnings")) } }
        @else { span.fail { (say("✗ 有未通过项", "✗ not all passed")) } }
    };
    Ok(html! {
        dl.figures {
            (figure(&words("业务线间应付总额", "Owed between lines"), &reports::bilateral::REPORT.file(), &amount(about, settlement.gross), &beside(before.map(|of| shown(of.gross)), &YEAR_TO_DATE, &shown(year.gross))))
            (figure(
                &words("轧差后结算额", "Settled net"),
                &reports::payments::REPORT.file(),
                &amount(about, settlement.settled),
                &html! {
                    (pair(
                        &format!("{payments} 笔付款，轧差率 {} %", settlement.netting_efficiency()),
                        &format!("{payments} payments, netting efficiency {} %", settlement.netting_efficiency()),
                    ))
                    (beside(before.map(|of| shown(of.settled)), &YEAR_TO_DATE, &shown(year.settled)))
                },
            ))
            (figure(
                &words("期末合同负债", "Contract liability"),
                &reports::liability_roll_forward::REPORT.file(),
                &amount(about, liability.closing),
                &html! {
                    (say("其中流动 ", "of which current ")) (shown(current(&settlement.liability)?))
                    (beside(of_before.map(|of| shown(of.contract.closing)), &YEAR_OPENING, &shown(of_year.contract.opening)))
                },
            ))
            @if of_year.provision != ProvisionRow::default() {
                (figure(
                    &words("赠送积分预计负债", "Provision for points given"),
                    &reports::provision_roll_forward::REPORT.file(),
                    &shown(of_year.provision.closing),
                    &beside(of_before.map(|of| shown(of.provision.closing)), &YEAR_OPENING, &shown(of_year.provision.opening)),
                ))
            }
            (figure(&words("未兑积分", "Points outstanding"), &reports::points_roll_forward::REPORT.file(), &number(outstanding), &beside(of_before.map(|of| number(of.outstanding)), &YEAR_OPENING, &number(of_year.outstanding_before()?))))
            (figure(
                &words("关账检查", "Close checks"),
                &reports::close_checklist::REPORT.file(),
                &html! { (passed) " / " (all) },
                &verdict,
            ))
        }
    })
}

fn positions(about: &About<'_>, settlement: &Settlement) -> Result<Markup, OutOfRange> {
    let rows = &settlement.positions;
    let carries = rows.iter().any(|row| !row.carried_before.is_zero() || !row.carried_after.is_zero());
    let scale = Scale::of(rows.iter().map(|row| row.net.minor()));
    let table = html! {
        table.chart {
            thead {
                tr {
                    th scope="col" { (say("业务线", "Line")) }
                    th.n.wide scope="col" { (say("应付", "Payable")) }
                    th.n.wide scope="col" { (say("应收", "Receivable")) }
                    th scope="col" { span.hidden { (say("图示", "Chart")) } }
                    th.n scope="col" { (say("净额", "Net")) }
                    @if carries {
                        th.n.wide scope="col" { (say("上期结转", "Carried before")) }
                        th.n.wide scope="col" { (say("结转下期", "Carried after")) }
                        th.n scope="col" { (say("本期收付", "To pay")) }
                    }
                    th.wide scope="col" { (say("方向", "Direction")) }
                }
            }
            tbody {
                @for row in rows {
                    tr {
                        th scope="row" { a href=(line_statement(&row.line)) { (line_name(about, &row.line)) } }
                        td.n.wide { (amount(about, row.gross_payable)) }
                        td.n.wide { (amount(about, row.gross_receivable)) }
                        td.bar { (scale.bar(row.net.minor())) }
                        td.n { strong { (amount(about, row.net)) } }
                        @if carries {
                            td.n.wide { (amount(about, row.carried_before)) }
                            td.n.wide { (amount(about, row.carried_after)) }
                            td.n { (amount(about, row.to_pay)) }
                        }
                        td.wide { (direction(row.to_pay)) }
                    }
                }
            }
        }
    };
    let note = say(
        "应收减应付；各业务线净额合计为零。点击业务线查看其对账单。",
        "Receivables less payables; the nets of all lines sum to zero. A line’s name leads to its own statement.",
    );
    let (by_gross, by_cash) = (settlement.netting_efficiency(), settlement.cash_efficiency()?);
    let saved = html! {
        (say("轧差率：按应付总额 ", "Netting efficiency: of what is owed ")) (by_gross) " %"
        (say("，按实际划拨 ", ", by the cash that moves ")) (by_cash) " %"
        (say("。", "."))
    };
    Ok(section(
        "positions",
        &words("净头寸", "Net positions"),
        &[&reports::positions::REPORT.file()],
        &html! { p.note { (note) } p.note { (saved) } (table) },
    ))
}

fn line_statement(line: &LineId) -> String {
    format!("lines/{line}/statement.html")
}

pub fn direction(net: Money) -> Markup {
    match net.minor() {
        0 => html! { span.quiet { "–" } },
        net if net < 0 => say("付款", "pays"),
        _ => say("收款", "receives"),
    }
}

/// Payers by payees; lines without any flow are left out.
fn flows(about: &About<'_>, settlement: &Settlement) -> Result<Markup, OutOfRange> {
    let cells: BTreeMap<(&LineId, &LineId), &Bilateral> =
        settlement.bilateral.iter().map(|row| ((&row.payer, &row.payee), row)).collect();
    let payers: BTreeSet<&LineId> = cells.keys().map(|(payer, _)| *payer).collect();
    let payees: BTreeSet<&LineId> = cells.keys().map(|(_, payee)| *payee).collect();
    let most = settlement.bilateral.iter().map(|row| row.amount.minor().saturating_abs()).max().unwrap_or_default();
    let sum = |keep: &dyn Fn(&Bilateral) -> bool| {
        Money::sum(settlement.bilateral.iter().filter(|row| keep(row)).map(|row| row.amount))
    };
    let mut rows = Vec::new();
    for payer in &payers {
        let total = sum(&|row| row.payer == **payer)?;
        rows.push(html! {
            tr {
                th scope="row" { (line_name(about, payer)) }
                @for payee in &payees {
                    @match cells.get(&(*payer, *payee)) {
                        Some(row) => td class={ "n " (heat(row.amount.minor(), most)) } { (amount(about, row.amount)) },
                        None => td.n {},
                    }
                }
                td.n.sum { (amount(about, total)) }
            }
        });
    }
    let mut totals = Vec::new();
    for payee in &payees {
        totals.push(amount(about, sum(&|row| row.payee == **payee)?));
    }
    let table = html! {
        table.matrix.heat {
            thead {
                tr {
                    th scope="col" { (say("付款方 \\ 收款方", "Payer \\ payee")) }
                    @for payee in &payees { th.n scope="col" { (line_name(about, payee)) } }
                    th.n scope="col" { (say("合计", "Total")) }
                }
            }
            tbody { @for row in &rows { (row) } }
            tfoot {
                tr {
                    th scope="row" { (say("合计", "Total")) }
                    @for total in &totals { td.n { (total) } }
                    td.n { (amount(about, sum(&|_| true)?)) }
                }
            }
        }
    };
    let note = say(
        "横行的业务线应付纵列的业务线；颜色越深金额越大，每级相差一倍。",
        "The line of a row owes the line of a column. The darker, the larger the amount: each shade is twice the one before.",
    );
    let content = html! { p.note { (note) } (scroll("flows", &table)) };
    Ok(section("flows", &words("往来矩阵", "Flows between lines"), &[&reports::bilateral::REPORT.file()], &content))
}

fn payments(about: &About<'_>, settlement: &Settlement, files: &[String]) -> Result<Markup, OutOfRange> {
    let total = settlement.cash_moved()?;
    let messages = files.iter().filter(|file| file.starts_with("erp/pain")).map(String::as_str);
    let file = reports::payments::REPORT.file();
    let sources: Vec<&str> = [&*file].into_iter().chain(messages).collect();
    let orders = about.orders(&settlement.payments);
    let not_ordered = orders.iter().filter(|order| order.standing != Standing::Ordered).count();
    let content = html! {
        @if settlement.payments.is_empty() {
            p.note { (say("本期无需付款。", "Nothing is to be paid.")) }
        } @else {
            p.note {
                (pair(
                    &format!("{} 笔，合计 ", settlement.payments.len()),
                    &format!("{} payments of ", settlement.payments.len()),
                ))
                (amount(about, total)) " " (about.rulebook.currency) (say("。", " in all."))
                @if about.rulebook.netting == Netting::Hub {
                    " "
                    (say("经清算中心收付：付入多少即付出多少。", "They go through the hub: what is paid in is paid out again."))
                }
            }
            @if not_ordered > 0 {
                p.note {
                    strong { (pair(
                        &format!("其中 {not_ordered} 笔没有付款指令，原因见清单“指令状态”一列。"),
                        &format!("{not_ordered} of them are not ordered; the list says why in its column `order`."),
                    )) }
                }
            }
            (payments_table(about, &orders))
        }
    };
    Ok(section("payments", &words("资金划拨", "Payments"), &sources, &content))
}

fn liability(about: &About<'_>, settlement: &Settlement, comparison: &Comparison) -> Result<Markup, OutOfRange> {
    let mut funders: BTreeMap<LineId, Vec<&LiabilityRow>> = BTreeMap::new();
    for row in &settlement.liability {
        funders.entry(row.funder()).or_default().push(row);
    }
    let mut lines = Vec::new();
    for (funder, rows) in &funders {
        lines.push(LiabilityLine {
            name: line_name(about, funder),
            row: total(rows.iter().copied())?,
            current: current(rows.iter().copied())?,
            outstanding: Points::sum(rows.iter().map(|row| row.outstanding))?,
            rate: None,
        });
    }
    let sum = total(&settlement.liability)?;
    let said = sentences(about, settlement, comparison)?;
    let note = say(
        "不含增值税。减少负债的项目以负数列示；CSV 文件中为正数，由余额减去。",
        "Net of VAT. What lowers the liability is negative here; in the CSV file it is positive and subtracted.",
    );
    let content = html! {
        @if lines.is_empty() {
            p.note { (say("没有合同负债。", "There is no contract liability.")) }
        } @else {
            p.note { (note) }
            (waterfall(about, &sum, "liability")?)
            h3 #liability-by-funder { (say("按承担方", "By funder")) }
            (liability_table(about, "liability-by-funder", &words("承担方", "Funder"), &lines)?)
            h3 #why { (say("变动原因", "Why it moved")) }
            (sentences_list(&said))
        }
    };
    let title = words("合同负债变动", "Contract liability roll-forward");
    let files = [reports::liability_roll_forward::REPORT.file(), reports::sentences::REPORT.file()];
    Ok(section("liability", &title, &files.each_ref().map(String::as_str), &content))
}

/// The cohorts of one issue month, all funders together.
#[derive(Default)]
struct Month {
    issued: Points,
    ultimate: Points,
    /// Cumulative; as long as the shortest of its cohorts.
    redeemed: Option<Vec<Points>>,
}

fn triangle(settlement: &Settlement) -> Result<Markup, OutOfRange> {
    let mut months: BTreeMap<Period, Month> = BTreeMap::new();
    for row in &settlement.redemption_rates {
        let month = months.entry(row.cohort.issued).or_default();
        month.issued.add(row.issued)?;
        month.ultimate.add(row.expected)?;
        match &mut month.redeemed {
            None => month.redeemed = Some(row.redeemed_by_age.clone()),
            Some(sum) => {
                sum.truncate(row.redeemed_by_age.len());
                sum.iter_mut().zip(&row.redeemed_by_age).try_for_each(|(sum, points)| sum.add(*points))?;
            }
        }
    }
    let redeemed = |month: &Month| month.redeemed.clone().unwrap_or_default();
    let ages = months.values().map(|month| redeemed(month).len()).max().unwrap_or_default();
    let table = html! {
        table.matrix.heat {
            thead {
                tr {
                    th scope="col" { (say("发行月 \\ 账龄(月)", "Issued \\ age in months")) }
                    th.n scope="col" { (say("发行积分", "Points issued")) }
                    @for age in 0..ages { th.n scope="col" { (age) } }
                    th.n scope="col" { (say("预计最终", "Expected in the end")) }
                }
            }
            tbody {
                @for (period, month) in &months {
                    @let redeemed = redeemed(month);
                    tr {
                        th scope="row" { (period) }
                        td.n { (number(month.issued)) }
                        @for age in 0..ages {
                            @match redeemed.get(age) {
                                Some(points) => td class={ "n " (heat(points.get(), month.issued.get())) } {
                                    (percent(points.get(), month.issued.get()))
                                },
                                None => td.n {},
                            }
                        }
                        td.n.sum { (percent(month.ultimate.get(), month.issued.get())) }
                    }
                }
            }
        }
    };
    let note = say(
        "各发行月积分截至各账龄月末的累计兑换率，全部承担方合计；最右列为预计最终兑换率 (URR)。",
        "Points redeemed by the end of each age as a part of those issued, all funders together; on the right what is \
         expected in the end (URR).",
    );
    let content = html! {
        @if months.is_empty() {
            p.note { (say("没有积分批次。", "There are no cohorts.")) }
        } @else {
            p.note { (note) }
            (scroll("redemption", &table))
        }
    };
    Ok(section(
        "redemption",
        &words("兑换三角", "Redemption triangle"),
        &[&reports::redemption_rates::REPORT.file()],
        &content,
    ))
}

fn forecast(about: &About<'_>, settlement: &Settlement) -> Result<Markup, OutOfRange> {
    let mut months: BTreeMap<Period, (Points, Money)> = BTreeMap::new();
    for row in &settlement.expiry_forecast {
        let (points, value) = months.entry(row.month).or_default();
        points.add(row.points)?;
        value.add(row.value)?;
    }
    let scale = Scale::of(months.values().map(|(points, _)| points.get()));
    let ahead = about.rulebook.forecast_months(about.period);
    let nothing =
        [format!("未来 {ahead} 个月内没有积分过期。"), format!("No points expire within the next {ahead} months.")];
    let something = [
        format!("如无进一步兑换，未来 {ahead} 个月各月末过期的积分。"),
        format!("Points that expire at each month’s end within {ahead} months if no more of them are redeemed."),
    ];
    let content = html! {
        @if months.is_empty() {
            p.note { (pair(&nothing[0], &nothing[1])) }
        } @else {
            p.note { (pair(&something[0], &something[1])) }
            table.chart.keep {
                thead {
                    tr {
                        th scope="col" { (say("月份", "Month")) }
                        th scope="col" { span.hidden { (say("图示", "Chart")) } }
                        th.n scope="col" { (say("积分", "Points")) }
                        th.n scope="col" { (say("面值", "Face value")) }
                    }
                }
                tbody {
                    @for (month, (points, value)) in &months {
                        tr {
                            th.keep-line scope="row" { (month) }
                            td.bar { (scale.bar(points.get())) }
                            td.n { (number(*points)) }
                            td.n { (amount(about, *value)) }
                        }
                    }
                }
            }
        }
    };
    Ok(section("expiry", &words("过期预告", "Expiry forecast"), &[&reports::expiry_forecast::REPORT.file()], &content))
}

/// Vouchers by legal entity, with the files for its accounting program.
fn books(about: &About<'_>, settlement: &Settlement, files: &[String]) -> Result<Markup, OutOfRange> {
    let mut entities: BTreeMap<&LineId, Vec<&Voucher>> = BTreeMap::new();
    for voucher in settlement.vouchers.iter().chain(&settlement.cash_vouchers) {
        entities.entry(&voucher.entity).or_default().push(voucher);
    }
    let mut rows = Vec::new();
    for (entity, vouchers) in entities {
        let lines = || vouchers.iter().flat_map(|voucher| &voucher.lines);
        let (debit, credit) =
            (Money::sum(lines().map(|line| line.debit))?, Money::sum(lines().map(|line| line.credit))?);
        let name = about.rulebook.line(entity).map_or(entity.as_str(), |line| &line.entity);
        let file = |program: &str| {
            let start = format!("erp/{program}-{entity}.");
            files.iter().find(|file| file.starts_with(&start))
        };
        rows.push(html! {
            tr {
                th scope="row" { (name) }
                td.n { (grouped(vouchers.len() as u64)) }
                td.n { (amount(about, debit)) }
                td.n { (amount(about, credit)) }
                td.wide {
                    @if let Some(file) = file("kingdee") { a href=(file) { (say("金蝶 KIS", "Kingdee KIS")) } }
                    @if let Some(file) = file("yonyou-u8") { " · " a href=(file) { (say("用友 U8", "Yonyou U8")) } }
                    @if let Some(file) = file("cash-kingdee") {
                        br; a href=(file) { (say("金蝶 KIS 资金凭证", "Kingdee KIS, payments")) }
                    }
                    @if let Some(file) = file("cash-yonyou-u8") {
                        " · " a href=(file) { (say("用友 U8 资金凭证", "Yonyou U8, payments")) }
                    }
                }
            }
        });
    }
    let content = html! {
        @if rows.is_empty() {
            p.note { (say("没有凭证。", "There are no vouchers.")) }
        } @else {
            table {
                thead {
                    tr {
                        th scope="col" { (say("记账主体", "Legal entity")) }
                        th.n scope="col" { (say("凭证数", "Vouchers")) }
                        th.n scope="col" { (say("借方合计", "Debit")) }
                        th.n scope="col" { (say("贷方合计", "Credit")) }
                        th.wide scope="col" { (say("导入文件", "For import")) }
                    }
                }
                tbody { @for row in &rows { (row) } }
            }
        }
    };
    Ok(section("books", &words("会计凭证", "Vouchers"), &[&reports::vouchers::REPORT.file()], &content))
}

fn checklist(settlement: &Settlement) -> Markup {
    let table = html! {
        table {
            thead {
                tr {
                    th scope="col" { (say("检查项", "Check")) }
                    th.n.wide scope="col" { (say("预期", "Expected")) }
                    th.n.wide scope="col" { (say("实际", "Actual")) }
                    th scope="col" { (say("结果", "Result")) }
                }
            }
            tbody {
                @for check in &settlement.checklist {
                    tr {
                        th scope="row" { (both(&check_words(check.check))) }
                        td.n.wide { (written(&check.expected)) }
                        td.n.wide { (written(&check.actual)) }
                        td {
                            @if check.pass { span.pass { "✓ " (say("通过", "pass")) } }
                            @else if let Some(reason) = &check.accepted {
                                span.warn { "! " (say("已认可", "accepted")) } " " (reason)
                            }
                            @else if check.warns() { span.warn { "! " (say("提示", "warning")) } }
                            @else { span.fail { "✗ " (say("未通过", "FAIL")) } }
                        }
                    }
                }
            }
        }
    };
    let warns = settlement.checklist.iter().any(|check| check.warns() || check.accepted.is_some());
    let content = html! {
        (table)
        @if warns {
            p.note {
                (say("关账人说明：", "Remark of whoever closed: "))
                @match &settlement.judgement.remark {
                    Some(remark) => (remark),
                    None => (say("无", "no remark")),
                }
            }
        }
    };
    section("checks", &words("关账检查表", "Close checklist"), &[&reports::close_checklist::REPORT.file()], &content)
}

/// The lines' own files are reached through their statements.
fn all_files(files: &[String]) -> Markup {
    let list = html! {
        ul.files {
            @for file in files.iter().filter(|file| !file.starts_with("lines/")) { li { (links(&[file])) } }
        }
    };
    section("files", &words("全部文件", "All files"), &[], &list)
}
