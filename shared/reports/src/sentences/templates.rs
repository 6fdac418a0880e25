//! The templates of the sentences, each in both languages with the same places to fill.

use crate::words::{Words, words};

/// A template for what goes on, and one for what goes back.
pub type Signed = (Words, Words);

pub const FIRST: Words = words(
    "{line}：首次关账，{book_zh}期初为 0，期末 {closing} {unit_zh}",
    "{line}: at the first close the {book_en} opens at 0 and closes at {closing} {unit}",
);
pub const BEGINS: Words =
    words("{line}：{book_zh}由 0 增加至 {closing} {unit_zh}", "{line}: the {book_en} rose from 0 to {closing} {unit}");
pub const RISES: Words = words(
    "{line}：{book_zh}由 {opening} {unit_zh}增加 {change} {unit_zh}（{percent}）至 {closing} {unit_zh}",
    "{line}: the {book_en} rose by {change} ({percent}) from {opening} to {closing} {unit}",
);
pub const FALLS: Words = words(
    "{line}：{book_zh}由 {opening} {unit_zh}减少 {change} {unit_zh}（{percent}）至 {closing} {unit_zh}",
    "{line}: the {book_en} fell by {change} ({percent}) from {opening} to {closing} {unit}",
);
pub const RESTS: Words =
    words("{line}：{book_zh}仍为 {closing} {unit_zh}", "{line}: the {book_en} is {closing} {unit} as before");

pub const ADDED: Signed = (
    words("本期发行 {points} 分，递延 {amount} {unit_zh}", "{points} points issued deferred {amount}"),
    words("本期发行 {points} 分，递延调减 {amount} {unit_zh}", "{points} points issued deferred {amount} less"),
);
pub const REDEEMED: Signed = (
    words(
        "兑换 {points} 分，结转 {amount} {unit_zh}（{parts}）",
        "{points} points redeemed released {amount} ({parts})",
    ),
    words(
        "兑换扣除退回后 {points} 分，转回 {amount} {unit_zh}（{parts}）",
        "{points} points redeemed less returns took back {amount} ({parts})",
    ),
);
pub const OWN: Words = words("本业态 {amount}", "own {amount}");
pub const PAYABLE: Words = words("应付他业态 {amount}", "payable to other lines {amount}");
pub const AGENT: Words = words("代理净额 {amount}", "agent {amount}");
pub const BREAKAGE: Signed = (
    words(
        "预计不会兑换的部分同步确认 {amount} {unit_zh}",
        "what is expected never to be redeemed earned {amount} with them",
    ),
    words("预计不会兑换的部分转回 {amount} {unit_zh}", "what is expected never to be redeemed took back {amount}"),
);
pub const RE_ESTIMATE: Signed = (
    words(
        "{reason}{new_points}，以前兑换补确认 {amount} {unit_zh}",
        "{reason}{new_points}: earlier redemptions recognised {amount} more",
    ),
    words(
        "{reason}{new_points}，以前兑换冲回 {amount} {unit_zh}",
        "{reason}{new_points}: earlier redemptions recognised {amount} less",
    ),
);
pub const NEW_POINTS: Words =
    words("，新发积分预计兑换率 {before}→{after}", ", the rate expected of new points went {before} → {after}");
pub const EXPIRED: Signed = (
    words("积分到期结转 {amount} {unit_zh}", "points that expired released {amount}"),
    words("已到期积分转回 {amount} {unit_zh}", "points that had expired took back {amount}"),
);
pub const REVERSED: Signed = (
    words("退货冲减 {amount} {unit_zh}", "refunds reversed {amount}"),
    words("退货冲减转回 {amount} {unit_zh}", "refunds restored {amount}"),
);
pub const REMEASURED: Signed = (
    words(
        "因退货或补录重新计量，结转 {amount} {unit_zh}",
        "refunds or late sales remeasured the rest: {amount} released",
    ),
    words("因退货或补录重新计量，增加 {amount} {unit_zh}", "refunds or late sales remeasured the rest: {amount} added"),
);

pub const GRANTED: Signed = (
    words("本期赠送计提 {amount} {unit_zh}", "points given added {amount}"),
    words("本期赠送冲回 {amount} {unit_zh}", "points given took back {amount}"),
);
pub const USED: Signed = (
    words("使用 {amount} {unit_zh}（{parts}）", "{amount} used ({parts})"),
    words("退回 {amount} {unit_zh}（{parts}）", "{amount} given back ({parts})"),
);
pub const USED_OTHER: Words = words("他业态 {amount}", "at other lines {amount}");
pub const RELEASED: Signed = (
    words("失效及重估释放 {amount} {unit_zh}", "expiry and re-estimate released {amount}"),
    words("失效及重估增加 {amount} {unit_zh}", "expiry and re-estimate added {amount}"),
);
pub const TAKEN_BACK: Signed = (
    words("收回冲减 {amount} {unit_zh}", "points taken back reversed {amount}"),
    words("收回冲减转回 {amount} {unit_zh}", "points taken back restored {amount}"),
);

pub const OVERRIDE: Words = words("人工设定的兑换率变更（{reason}）", "a rate set by a person changed ({reason})");
pub const OVERRIDE_GONE: Words = words("人工设定的兑换率已撤销", "a rate set by a person was withdrawn");
pub const CREDIBILITY: Words =
    words("经验数据所占比重变动（{before}→{after}）", "the weight of experience changed ({before} → {after})");
pub const IGNORED_MONTH: Words =
    words("本月兑换过少，不计入经验", "the month brought too few redemptions to teach anything");
pub const LEVEL: Signed = (
    words(
        "近 {months} 个月兑换水平上升（{before}→{after}）",
        "redemptions of the last {months} months rose in level ({before} → {after})",
    ),
    words(
        "近 {months} 个月兑换水平下降（{before}→{after}）",
        "redemptions of the last {months} months fell in level ({before} → {after})",
    ),
);
pub const MARGIN: Words =
    words("估计的安全边际变动（{before}→{after}）", "the margin of the estimate changed ({before} → {after})");
pub const AGES: Words = words("各账龄兑换经验更新", "what is redeemed at each age was learned anew");
pub const TERMS: Words = words("规则书的兑换率变更", "the rulebook's rates changed");
