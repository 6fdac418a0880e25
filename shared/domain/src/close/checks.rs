//! The checks of a close: what each is called. `settle/checklist.rs` and `settle/claims.rs` make them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// What follows where a check does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The run is no final one.
    #[default]
    Failure,
    /// Somebody should look; it stops nothing.
    Warning,
}

impl Severity {
    /// The word in files.
    pub const fn word(self) -> &'static str {
        match self {
            Severity::Failure => "failure",
            Severity::Warning => "warning",
        }
    }
}

/// A check's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckRow {
    pub id: CheckId,
    /// In files and at the API.
    pub name: &'static str,
    pub zh: &'static str,
    /// Unless the close says otherwise.
    pub severity: Severity,
}

macro_rules! severity {
    () => {
        Severity::Failure
    };
    ($severity:ident) => {
        Severity::$severity
    };
}

/// A line is `Id: name, Chinese name;`, and `Id as Warning: ...` where it stops nothing.
macro_rules! checks {
    ($($id:ident $(as $severity:ident)?: $name:literal, $zh:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum CheckId {
            $($id),*
        }

        /// In the order of the checklist.
        pub const CHECKS: &[CheckRow] = &[$(CheckRow {
            id: CheckId::$id,
            name: $name,
            zh: $zh,
            severity: severity!($($severity)?),
        }),*];
    };
}

checks! {
    ShardsRead: "all shards are read", "全部分片均已读取";
    ShardsSealed: "all shards are sealed", "全部分片均已封存";
    PreviousPeriod: "the previous period is the one before", "上期为紧邻的前一期间";
    PreviousShards: "sealed shards of the previous period are unchanged", "上期已封存分片未变动";
    OlderShards: "sealed shards of an older period are unchanged", "更早一期已封存分片未变动";
    EntriesInControls: "every entry is in a control total", "每笔分录均计入控制总数";
    DaysWithoutSales as Warning: "days without sales of lines that sold on the last eight same weekdays", "过去八周同一星期几均有销售而当日无销售的业务线";
    NetOfPoints as Warning: "sales that exceed what points left of their bill", "超过账单扣除积分抵扣后余额的销售";
    DetailsOwed: "details = obligations before the split", "明细 = 分成前债务";
    SplitsOwed: "splits = obligations before the split", "分成 = 分成前债务";
    BilateralSplits: "bilateral = splits between lines", "双边金额 = 业务线间分成";
    SharesOff: "shares a whole minor unit off", "尾差达到一个最小货币单位的分成";
    NetsSumToZero: "net positions sum to zero", "净头寸合计为零";
    NetsLeft: "nets left after payment", "付款后未结净额";
    BankData: "lines that pay or are paid lack nothing that a bank asks for", "收付款业务线的银行资料齐全";
    HolidaysListed as Warning: "holidays are listed for the years of payment", "付款年份已列明节假日";
    PointsIssued: "points issued = accruals and adjustments", "发行积分 = 累积与调整";
    PointsRedeemed: "points redeemed = redemptions, returns and repaid debts", "兑换积分 = 兑换、退回与偿还";
    PointsWithdrawn: "points withdrawn = taken and owed", "收回积分 = 扣回与欠付";
    PointsRolled: "points opening + movements = closing", "积分期初 + 变动 = 期末";
    CohortsBelowZero: "cohorts below zero", "余额为负的批次";
    LiabilityCarried: "liability opening = closing of the previous close", "合同负债期初 = 上期期末";
    LiabilityRolled: "liability opening + movements = closing", "合同负债期初 + 变动 = 期末";
    LiabilityUntied: "cohorts whose liability does not tie", "合同负债变动不平的批次";
    LiabilityOutside: "cohorts with a liability below zero or above CL0 and additions", "合同负债低于零或超过初始分摊额的批次";
    Cl0Moved: "cohorts whose CL0 changed otherwise than by additions and reversals", "初始分摊额异常变动的批次";
    LiabilityLeft: "cohorts without points but with a liability", "无积分却有合同负债的批次";
    LiabilityPoints: "points redeemed of the liability = points roll-forward", "合同负债的兑换积分 = 积分变动表";
    LiabilityApart: "cohorts whose liability moves other points than the points roll-forward", "合同负债与积分变动不一致的批次";
    ExpectedMonth as Warning: "redemptions of the month to those expected", "当月兑换与预期之比";
    ExpectedQuarter as Warning: "redemptions of three months to those expected", "近三个月兑换与预期之比";
    MonthIgnored: "month with so few redemptions that it teaches nothing", "兑换过少、不计入经验的月份";
    ExpectedFunders as Warning: "funders whose redemptions are far from those expected", "兑换与预期相差较大的承担方";
    NewRateMoved as Warning: "funders whose rate of new points moved far", "新发积分兑换率变动较大的承担方";
    LiabilityMoved as Warning: "funders whose liability moved far without their points", "积分未变而合同负债变动较大的承担方";
    ReEstimateLarge as Warning: "re-estimate of the month to the opening liability", "当月重估占期初合同负债之比";
    ReEstimatesBack as Warning: "revenue taken back by re-estimates since the year's first day", "年初以来因重估冲回的收入";
    PointsUnvalued: "cohorts with points open but without any liability", "有未兑积分而无负债的批次";
    AboveDemand as Warning: "points expected to be redeemed = what members can redeem", "预计兑换积分不超过会员可兑换量";
    AboveFace: "cohorts with a liability above the face value of their points", "合同负债高于积分面值的批次";
    PriceAboveValue as Warning: "pairs whose settlement price is above the value of a point", "结算价高于积分价值的往来";
    InitialRate as Warning: "how far experience counts in the redemption rates", "兑换率中经验数据所占比重";
    OverridesOld as Warning: "rates set by a person that are old or hit a bound", "已久或触及上下限的人工兑换率";
    ExpiredBelowZero: "cohorts with points expired below zero without late events", "无迟到事件而过期积分为负的批次";
    ColumnSigns: "cohorts with own revenue, breakage or expiry below zero without returns", "无退回而收入、失效或过期为负的批次";
    ProvisionAboveGranted as Warning: "cohorts with a provision above what was granted", "预计负债高于赠送额的批次";
    GivenPoints as Warning: "points given to points issued", "赠送积分占发行积分之比";
    TaxBelowZero as Warning: "taxes with a cumulative amount below zero", "累计金额为负的税目";
    VouchersUnbalanced: "vouchers that do not balance", "借贷不平的凭证";
    VoucherLines: "voucher lines without exactly one amount", "借贷金额不唯一的分录";
    VoucherSides: "voucher lines on the wrong side", "方向有误的分录";
    VoucherAux: "voucher lines without a code that their account asks for", "缺少辅助核算编码的分录";
    VouchersLiability: "contract liability of the vouchers = roll-forward", "凭证合同负债 = 变动表";
    VouchersTax: "output VAT of the vouchers = what the tax keys moved by", "凭证销项税额 = 税基变动额";
    InvoicesBilateral: "invoices and receipts = bilateral matrix", "开票与收据 = 双边矩阵";
    InvoicesTax: "tax of the invoices = output VAT of supplies between lines", "开票税额 = 业务线间销项税额";
    InvoicesTaxIds as Warning: "lines of invoices without a tax id", "开票缺少税号的业务线";
    LiabilityEntities: "entities whose contract liability is not the roll-forward", "合同负债与变动表不符的主体";
    ProvisionEntities: "entities whose provision is not the roll-forward", "预计负债与变动表不符的主体";
    VouchersPayables: "payables of the vouchers = bilateral matrix", "凭证应付 = 双边矩阵";
    PairsPayable: "pairs whose payable is not the bilateral amount", "应付与双边金额不符的往来";
    PairsReceivable: "pairs whose receivable is not the bilateral amount", "应收与双边金额不符的往来";
    EliminationSum: "elimination between the group's entities sums to zero", "集团内部抵销合计为零";
    EliminationPairs: "pairs of entities that do not eliminate", "未能抵销的主体往来";
    Consolidation: "rows of the consolidation that do not sum to zero", "合计不为零的合并抵销分录";
    NettingLeft: "payables and receivables left after netting", "轧差后未清的应付应收";
    PositionsLeft: "entities whose clearing is not the net unpaid", "清算往来与未付净额不符的主体";
    ClaimsEntries: "entries of members' claims = entries tallied", "会员债权的分录 = 已统计分录";
    ClaimsCohorts: "members' claims = cohorts' closing", "会员债权 = 批次期末余额";
    ClaimsCohortsApart: "cohorts whose closing is not their members' claims", "期末余额与会员债权不符的批次";
    ClaimsDebts: "creditors who are not owed their members' debts", "与会员欠付不符的债权方";
    AccountsDiffering: "members whose account is not what their entries give", "账户与其分录不符的会员";
}

impl CheckId {
    pub const fn row(self) -> &'static CheckRow {
        &CHECKS[self as usize]
    }

    pub const fn name(self) -> &'static str {
        self.row().name
    }
}

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for CheckId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for CheckId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let row = CHECKS.iter().find(|row| row.name == name);
        row.map(|row| row.id).ok_or_else(|| serde::de::Error::custom(format!("no check is called {name:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_check_is_found_by_its_own_name_and_has_words_in_both_languages() {
        let names: BTreeSet<&str> = CHECKS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), CHECKS.len());
        for row in CHECKS {
            assert_eq!(*row.id.row(), *row);
            let text = serde_json::to_string(&row.id).unwrap();
            assert_eq!(serde_json::from_str::<CheckId>(&text).unwrap(), row.id);
            assert!(row.name.is_ascii() && !row.zh.is_ascii(), "{row:?}");
        }
        assert!(serde_json::from_str::<CheckId>("\"no such check\"").is_err());
    }
}
