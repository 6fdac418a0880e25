//! The statement of one line: what it owes and is owed, and its own liability.
//! Nothing of what others owe each other is in it.

use super::campaigns::campaigns;
use super::page::{amount, number, page, say, scroll, section};
use super::parts::{
    LiabilityLine, YEAR_OPENING, YEAR_TO_DATE, beside, current, facts, figure, liability_table, line_name, mark,
    payments_table, rate_of, sentences_list, total, trial_notice, waterfall,
};
use super::statement::direction;
use crate::about::About;
use crate::document::{Comparison, LineFigures};
use crate::own_part::{OwnPart, Pair, Side};
use crate::reports::{self, debts, invoices, liability_roll_forward, payments, provision_roll_forward, statement};
use crate::sentences::{Sentence, sentences};
use crate::words::words;
use interline_domain::close::settlement::Settlement;
use interline_domain::units::money::{Money, OutOfRange, Points};
use maud::{Markup, html};

impl OwnPart<'_> {
    /// `files`: the paths of the line's other files, relative to this one.
    pub fn statement(
        &self,
        about: &About<'_>,
        settlement: &Settlement,
        comparison: &Comparison,
        files: &[String],
    ) -> Result<Vec<u8>, OutOfRange> {
        let said = sentences(about, settlement, comparison)?;
        let said: Vec<Sentence> = said.into_iter().filter(|sentence| sentence.funder == *self.line).collect();
        let (zh, en) = (about.name_zh(self.line), about.name_en(self.line));
        let title = format!("{zh} {en} {} · 往来对账单 Statement", about.period);
        let content = html! {
            header {
                p.eyebrow { (about.rulebook.name) " · " (say("往来对账单", "Statement of account")) }
                h1 { (line_name(about, self.line)) " " (about.period) " " (mark(about)) }
                (trial_notice(about))
                (facts(about))
                (self.figures(about, comparison)?)
            }
            main {
                (self.pairs_section(about)?)
                (self.payments_section(about, files))
                (campaigns(about, settlement, Some(self.line))?)
                (self.liability_section(about, &said, files)?)
            }
            footer {
                (say("仅列示本业务线自身的往来。", "Shows this line’s own pairs only."))
                " " (say("规则书", "Rulebook")) " " (about.rulebook.hash)
            }
        };
        Ok(page(&title, &content))
    }

    fn figures(&self, about: &About<'_>, comparison: &Comparison) -> Result<Markup, OutOfRange> {
        let year = comparison.year_to_date.of_line(self.line);
        let before = comparison.month_before.as_ref().map(|of| of.of_line(self.line));
        let moved = |of: fn(&LineFigures) -> Money| {
            beside(before.as_ref().map(|before| amount(about, of(before))), &YEAR_TO_DATE, &amount(about, of(&year)))
        };
        let opening = beside(
            before.map(|before| amount(about, before.contract.closing)),
            &YEAR_OPENING,
            &amount(about, year.contract.opening),
        );
        let (payable, receivable) = (self.payable()?, self.receivable()?);
        let net = receivable.minus(payable)?;
        let liability = total(self.liability.iter().copied())?;
        let file = &statement::REPORT.file();
        Ok(html! {
            dl.figures {
                (figure(&words("应付总额", "Owes"), file, &amount(about, payable), &moved(|of| of.gross_payable)))
                (figure(&words("应收总额", "Is owed"), file, &amount(about, receivable), &moved(|of| of.gross_receivable)))
                (figure(&words("净额", "Net"), file, &amount(about, net), &html! { (direction(net)) (moved(|of| of.net)) }))
                @if !self.liability.is_empty() {
                    (figure(
                        &words("期末合同负债", "Contract liability"),
                        &liability_roll_forward::REPORT.file(),
                        &amount(about, liability.closing),
                        &html! {
                            (say("其中流动 ", "of which current ")) (amount(about, current(self.liability.iter().copied())?))
                            (opening)
                        },
                    ))
                }
            }
        })
    }

    fn pairs_section(&self, about: &About<'_>) -> Result<Markup, OutOfRange> {
        // An entry may be of several counterparties, so only each one's are told.
        let side = |events: Option<u64>, side: &Side| {
            html! { td.n { @if let Some(events) = events { (events) } } td.n { (number(side.points)) } td.n { (amount(about, side.amount)) } }
        };
        let mut rows = Vec::new();
        for pair in &self.pairs {
            let net = pair.receivable.amount.minus(pair.payable.amount)?;
            rows.push(html! {
                tr {
                    th scope="row" { (line_name(about, pair.counterparty)) }
                    (side(Some(pair.payable.events), &pair.payable))
                    (side(Some(pair.receivable.events), &pair.receivable))
                    td.n { strong { (amount(about, net)) } }
                }
            });
        }
        let sum = |of: &dyn Fn(&Pair<'_>) -> Side| -> Result<Side, OutOfRange> {
            let sides: Vec<Side> = self.pairs.iter().map(of).collect();
            Ok(Side {
                points: Points::sum(sides.iter().map(|side| side.points))?,
                amount: Money::sum(sides.iter().map(|side| side.amount))?,
                ..Side::default()
            })
        };
        let (payable, receivable) = (sum(&|pair| pair.payable)?, sum(&|pair| pair.receivable)?);
        let heads = html! {
            th.n scope="col" { (say("分录笔数", "Entries")) }
            th.n scope="col" { (say("分片积分", "Points of slices")) }
            th.n scope="col" { (say("金额", "Amount")) }
        };
        let table = html! {
            table.matrix {
                thead {
                    tr {
                        th rowspan="2" scope="col" { (say("往来业务线", "Counterparty")) }
                        th.n colspan="3" scope="colgroup" { (say("应付", "Owes")) }
                        th.n colspan="3" scope="colgroup" { (say("应收", "Is owed")) }
                        th.n rowspan="2" scope="col" { (say("净额", "Net")) }
                    }
                    tr { (heads) (heads) }
                }
                tbody { @for row in &rows { (row) } }
                tfoot {
                    tr {
                        th scope="row" { (say("合计", "Total")) }
                        (side(None, &payable))
                        (side(None, &receivable))
                        td.n { (amount(about, receivable.amount.minus(payable.amount)?)) }
                    }
                }
            }
        };
        let content = html! {
            @if self.pairs.is_empty() {
                p.note { (say("本期与其他业务线没有往来。", "Nothing was owed to or by other lines.")) }
            } @else {
                (scroll("pairs", &table))
            }
        };
        Ok(section("pairs", &words("双边往来", "By counterparty"), &[&statement::REPORT.file()], &content))
    }

    fn payments_section(&self, about: &About<'_>, files: &[String]) -> Markup {
        let content = html! {
            @if self.payments.is_empty() {
                p.note { (say("本期无需收付款。", "Nothing is to be paid or received.")) }
            } @else {
                (payments_table(about, &self.payments))
            }
            @if !self.carried_before.is_zero() || !self.carried_after.is_zero() {
                p.note {
                    (say("低于最低划拨额的净额：上期结转 ", "Below the smallest payment: carried from the month before "))
                    (amount(about, self.carried_before))
                    (say("，结转下期 ", ", to the next "))
                    (amount(about, self.carried_after)) (say("。", "."))
                }
            }
        };
        let of = [payments::REPORT.file(), invoices::REPORT.file()];
        let shown: Vec<&str> = of.iter().flat_map(|file| present(file, files)).collect();
        section("payments", &words("资金划拨", "Payments"), &shown, &content)
    }

    fn liability_section(&self, about: &About<'_>, said: &[Sentence], files: &[String]) -> Result<Markup, OutOfRange> {
        let mut lines = Vec::new();
        for row in &self.liability {
            lines.push(LiabilityLine {
                name: html! { (row.cohort.issued) span.quiet { " → " (row.cohort.expires) } },
                row: row.row,
                current: row.current()?,
                outstanding: row.outstanding,
                rate: Some(rate_of(row)),
            });
        }
        let sum = total(self.liability.iter().copied())?;
        let content = html! {
            @if lines.is_empty() {
                p.note { (say("本业务线没有积分合同负债。", "This line has no contract liability for points.")) }
            } @else {
                (sentences_list(said))
                p.note { (say("不含增值税；减少负债的项目以负数列示。", "Net of VAT; what lowers the liability is negative.")) }
                (waterfall(about, &sum, "liability")?)
                h3 #cohorts { (say("按批次（发行月 → 到期日）", "By cohort (issue month → expiry)")) }
                (liability_table(about, "cohorts", &words("批次", "Cohort"), &lines)?)
            }
        };
        let title = words("合同负债变动", "Contract liability roll-forward");
        let of =
            [liability_roll_forward::REPORT, provision_roll_forward::REPORT, reports::sentences::REPORT, debts::REPORT];
        let of = of.map(|report| report.file());
        let shown: Vec<&str> = of.iter().flat_map(|file| present(file, files)).collect();
        Ok(section("liability", &title, &shown, &content))
    }
}

fn present<'a>(file: &'a str, files: &[String]) -> Vec<&'a str> {
    if files.iter().any(|present| present == file) { vec![file] } else { Vec::new() }
}
