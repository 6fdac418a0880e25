//! Schemes of the programme's own: what they gave and cost, and who bore it.

use super::page::{amount, grouped, number, pair, say, scroll, section};
use super::parts::line_name;
use crate::about::About;
use crate::reports::{funding, schemes};
use crate::words::words;
use interline_domain::close::settlement::{FundingRow, SchemeRow, Settlement};
use interline_domain::units::id::{LineId, SchemeId};
use interline_domain::units::money::{Money, OutOfRange};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Nothing where the programme has none; of one line, if it is given, what concerns it.
pub fn campaigns(about: &About<'_>, settlement: &Settlement, line: Option<&LineId>) -> Result<Markup, OutOfRange> {
    let concerned: Vec<&SchemeRow> =
        settlement.schemes.iter().filter(|row| line.is_none_or(|line| schemes::concerns(about, row, line))).collect();
    if concerned.is_empty() {
        return Ok(html! {});
    }
    let own = settlement.funding.iter().filter(|row| line.is_none_or(|line| row.payer == *line));
    let borne = borne(own)?;
    let content = html! {
        p.note { (say(
            "积分为本月数；成本为累计数，含承担方自身兑换的部分。奖励规则的积分含在方案之内。",
            "Points are of the month; costs since the scheme began, with what funders redeem themselves. Points of awards are among their scheme's.",
        )) }
        (scroll("campaigns", &given(about, &concerned)))
        @if !borne.is_empty() {
            h3 #funding { (say("各方承担", "Who bears it")) }
            (scroll("funding", &bearers(about, &borne)))
        }
    };
    let files = [schemes::REPORT.file(), funding::REPORT.file()];
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    Ok(section("campaigns", &words("营销活动", "Campaigns"), &files, &content))
}

fn name(about: &About<'_>, scheme: &SchemeId) -> Markup {
    match about.rulebook.scheme(scheme) {
        Some(terms) => html! { (pair(&terms.name_zh, &terms.name)) span.quiet { " " (scheme) } },
        None => html! { (scheme) },
    }
}

fn given(about: &About<'_>, rows: &[&SchemeRow]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { (say("方案", "Scheme")) }
                th.n scope="col" { (say("销售额", "Sales")) }
                th.n scope="col" { (say("发行", "Issued")) }
                th.n scope="col" { (say("收回", "Withdrawn")) }
                th.n scope="col" { (say("兑换", "Redeemed")) }
                th.n scope="col" { (say("过期", "Expired")) }
                th.n scope="col" { (say("未兑", "Outstanding")) }
                th.n scope="col" { (say("累计成本", "Cost to date")) }
                th.n scope="col" { (say("预计总成本", "Cost expected")) }
            } }
            tbody {
                @for row in rows {
                    tr {
                        th scope="row" { (name(about, &row.scheme)) }
                        td {}
                        td.n { (number(row.issued)) }
                        td.n { (number(row.withdrawn)) }
                        td.n { (number(row.redeemed)) }
                        td.n { (number(row.expired)) }
                        td.n { (number(row.outstanding)) }
                        td.n { (amount(about, row.cost_to_date)) }
                        td.n { (amount(about, row.cost_expected)) }
                    }
                    @for award in &row.awards {
                        tr {
                            td { span.quiet {
                                (award.award) " · " (line_name(about, &award.line)) " · "
                                (grouped(award.events)) (say(" 笔，", " sales of ")) (grouped(award.members)) (say(" 名会员", " members"))
                            } }
                            td.n { (amount(about, award.sales)) }
                            td.n { (number(award.issued)) }
                            td {} td {} td {} td {} td {} td {}
                        }
                    }
                }
            }
        }
    }
}

/// Of the month, and so far where something moved.
type Borne<'a> = BTreeMap<(&'a SchemeId, &'a LineId), (Money, Money)>;

fn borne<'a>(rows: impl Iterator<Item = &'a FundingRow>) -> Result<Borne<'a>, OutOfRange> {
    let mut sums = Borne::new();
    for row in rows {
        let (month, to_date) = sums.entry((&row.scheme, &row.payer)).or_default();
        month.add(row.amount)?;
        to_date.add(row.cumulative_amount)?;
    }
    Ok(sums)
}

fn bearers(about: &About<'_>, borne: &Borne<'_>) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { (say("方案", "Scheme")) }
                th scope="col" { (say("承担方", "Borne by")) }
                th.n scope="col" { (say("本月", "This month")) }
                th.n scope="col" { (say("累计（本月有变动的）", "So far, where the month moved it")) }
            } }
            tbody {
                @for ((scheme, payer), (month, to_date)) in borne {
                    tr {
                        th scope="row" { (name(about, scheme)) }
                        td { (line_name(about, payer)) }
                        td.n { (amount(about, *month)) }
                        td.n { (amount(about, *to_date)) }
                    }
                }
            }
        }
    }
}
