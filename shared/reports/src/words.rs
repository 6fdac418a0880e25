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
