//! The reports' words in Chinese and English.

use interline_domain::actuarial::urr::Basis;
use std::borrow::Cow;

/// One text in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    pub zh: Cow<'static, str>,
    pub en: Cow<'static, str>,
}

pub const fn words(zh: &'static str, en: &'static str) -> Words {
    Words { zh: Cow::Borrowed(zh), en: Cow::Borrowed(en) }
}

/// What a sheet is called; also the name of its tab, so no longer than 31
/// characters with both.
pub fn sheet_title(name: &'static str) -> Words {
    match name {
        "positions" => words("清算总表", "Positions"),
        "bilateral" => words("双边清算矩阵", "Bilateral"),
        "payments" => words("资金划拨单", "Payments"),
        "splits" => words("分成表", "Splits"),
        "issuance" => words("积分发行台账", "Issuance"),
        "points-roll-forward" => words("积分变动表", "Points roll-forward"),
        "liability-roll-forward" => words("合同负债变动表", "Liability roll-forward"),
        "redemption-rates" => words("兑换率测算表", "Redemption rates"),
        "vouchers" => words("会计凭证", "Vouchers"),
        "expiry-forecast" => words("过期预告", "Expiry forecast"),
        "close-checklist" => words("关账检查表", "Close checklist"),
        "statement" => words("往来对账单", "Statement"),
        other => words(other, other),
    }
}

/// A column's heading: its name in words, and in Chinese.
pub fn heading(column: &str) -> Words {
    let zh = COLUMNS.iter().find(|(name, _)| *name == column).map(|(_, zh)| Cow::Borrowed(*zh));
    let numbered = || {
        let (name, age) = column.rsplit_once('_')?;
        match name {
            "redeemed_age" => Some(Cow::Owned(format!("第{age}月累计兑换"))),
            "factor_age" => Some(Cow::Owned(format!("第{age}月进展因子"))),
            _ => None,
        }
    };
    let en = match column {
        "urr" => "URR".to_owned(),
        "previous_urr" => "Previous URR".to_owned(),
        name => capitalised(&name.replace('_', " ")),
    };
    Words { zh: zh.or_else(numbered).unwrap_or_else(|| Cow::Owned(en.clone())), en: Cow::Owned(en) }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A check of the close, whose name is English in the domain.
pub fn check_words(check: &str) -> Words {
    let zh =
        CHECKS.iter().find(|(name, _)| *name == check).map_or_else(|| capitalised(check), |(_, zh)| (*zh).to_owned());
    Words { zh: Cow::Owned(zh), en: Cow::Owned(capitalised(check)) }
}

/// What a redemption rate rests on.
pub fn basis_words(basis: &Basis) -> Words {
    match basis {
        Basis::NoExperience => words("无经验数据", "no experience"),
        Basis::Expired => words("已到期", "expired"),
        Basis::Additive => words("加法法", "additive"),
        Basis::BornhuetterFerguson => words("BF 法", "Bornhuetter-Ferguson"),
        Basis::ChainLadder => words("链梯法", "chain ladder"),
        Basis::CapeCod => words("Cape Cod 法", "Cape Cod"),
        Basis::Survival => words("存续法", "survival"),
        Basis::Remote => words("极小可能法", "remote"),
        Basis::Manual { .. } => words("人工设定", "manual"),
    }
}

const COLUMNS: [(&str, &str); 80] = [
    ("account", "科目代码"),
    ("account_name", "科目名称"),
    ("actual", "实际"),
    ("actual_to_expected", "实际/预期"),
    ("added", "本期增加"),
    ("age", "账龄(月)"),
    ("agent_revenue", "代理收入"),
    ("amount", "金额"),
    ("base", "基数"),
    ("basis", "测算依据"),
    ("beneficiary", "受益方"),
    ("check", "检查项"),
    ("closing", "期末余额"),
    ("counterparty", "往来业务线"),
    ("credit", "贷方金额"),
    ("cumulative_amount", "累计金额"),
    ("cumulative_base", "累计基数"),
    ("currency", "币别"),
    ("current_part", "流动部分"),
    ("date", "日期"),
    ("debit", "借方金额"),
    ("direction", "方向"),
    ("end_to_end_id", "端到端编号"),
    ("entity", "记账主体"),
    ("event", "业务类型"),
    ("events", "笔数"),
    ("expected", "预期"),
    ("expired", "过期"),
    ("expires", "到期日"),
    ("funder", "承担方"),
    ("gross_payable", "应付总额"),
    ("gross_receivable", "应收总额"),
    ("issue_month", "发行月"),
    ("issued", "发行"),
    ("kind", "类型"),
    ("liability", "合同负债"),
    ("line", "业务线"),
    ("line_number", "分录号"),
    ("method", "确认方法"),
    ("month", "月份"),
    ("net", "净额"),
    ("non_current_part", "非流动部分"),
    ("of_which_granted", "其中:赠送"),
    ("opening", "期初余额"),
    ("outstanding_points", "未兑积分"),
    ("own_line_revenue", "本线兑换收入"),
    ("pass", "通过"),
    ("payable_amount", "应付金额"),
    ("payable_events", "应付笔数"),
    ("payable_points", "应付积分"),
    ("payee", "收款方"),
    ("payee_account", "收款账号"),
    ("payer", "付款方"),
    ("payer_account", "付款账号"),
    ("platform_fee", "平台服务费"),
    ("points", "积分"),
    ("previous_urr", "上期最终兑换率"),
    ("prior_period", "其中:前期"),
    ("re_estimate", "重估"),
    ("reason", "原因"),
    ("receivable_amount", "应收金额"),
    ("receivable_events", "应收笔数"),
    ("receivable_points", "应收积分"),
    ("redeemed_other", "他线兑换"),
    ("redeemed_own", "本线兑换"),
    ("redeemer", "兑换方"),
    ("reversed", "退货收回"),
    ("role", "科目用途"),
    ("rounding", "尾差"),
    ("rule", "规则"),
    ("sales", "销售额"),
    ("share", "比例"),
    ("standard_error", "标准误差"),
    ("summary", "摘要"),
    ("to_payable", "转应付"),
    ("transferred", "转移"),
    ("ultimate", "最终兑换"),
    ("urr", "最终兑换率"),
    ("value", "面值"),
    ("voucher", "凭证号"),
];

const CHECKS: [(&str, &str); 34] = [
    ("all shards are read", "全部分片均已读取"),
    ("all shards are sealed", "全部分片均已封存"),
    ("the previous period is the one before", "上期为紧邻的前一期间"),
    ("sealed shards of the previous period are unchanged", "上期已封存分片未变动"),
    ("sealed shards of an older period are unchanged", "更早一期已封存分片未变动"),
    ("every entry is in a control total", "每笔分录均计入控制总数"),
    ("details = obligations before the split", "明细 = 分成前债务"),
    ("splits = obligations before the split", "分成 = 分成前债务"),
    ("bilateral = splits between lines", "双边金额 = 业务线间分成"),
    ("shares a whole minor unit off", "尾差达到一分的分成"),
    ("net positions sum to zero", "净头寸合计为零"),
    ("nets left after payment", "付款后未结净额"),
    ("points issued = accruals and adjustments", "发行积分 = 累积与调整"),
    ("points redeemed = redemptions, returns and repaid debts", "兑换积分 = 兑换、退回与偿还"),
    ("points withdrawn = taken and owed", "收回积分 = 扣回与欠付"),
    ("points opening + movements = closing", "积分期初 + 变动 = 期末"),
    ("cohorts below zero", "余额为负的批次"),
    ("liability opening = closing of the previous close", "合同负债期初 = 上期期末"),
    ("liability opening + movements = closing", "合同负债期初 + 变动 = 期末"),
    ("cohorts whose liability does not tie", "合同负债变动不平的批次"),
    ("cohorts with a liability below zero or above CL0 and additions", "合同负债低于零或超过初始分摊额的批次"),
    ("cohorts whose CL0 changed otherwise than by additions and reversals", "初始分摊额异常变动的批次"),
    ("cohorts without points but with a liability", "无积分却有合同负债的批次"),
    ("points redeemed of the liability = points roll-forward", "合同负债的兑换积分 = 积分变动表"),
    ("cohorts whose liability moves other points than the points roll-forward", "合同负债与积分变动不一致的批次"),
    ("vouchers that do not balance", "借贷不平的凭证"),
    ("voucher lines without exactly one amount", "借贷金额不唯一的分录"),
    ("contract liability of the vouchers = roll-forward", "凭证合同负债 = 变动表"),
    ("payables of the vouchers = bilateral matrix", "凭证应付 = 双边矩阵"),
    ("pairs whose payable is not the bilateral amount", "应付与双边金额不符的往来"),
    ("pairs whose receivable is not the bilateral amount", "应收与双边金额不符的往来"),
    ("elimination between the group's entities sums to zero", "集团内部抵销合计为零"),
    ("pairs of entities that do not eliminate", "未能抵销的主体往来"),
    ("positions between entities left after payment", "付款后主体间未结余额"),
];
