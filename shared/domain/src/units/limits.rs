//! Every limit of the programme, in one table.

/// Characters of a line's code.
pub const LINE_ID_MAX: usize = 16;
/// Characters of a scheme's name.
pub const SCHEME_ID_MAX: usize = 33;
/// Of a scheme of the programme's own; an instance adds a line's.
pub const SCHEME_OWN_ID_MAX: usize = 16;
pub const SCHEMES_MAX: usize = 256;
pub const AWARD_ID_MAX: usize = 16;
/// Characters of a member's id and of a reference.
pub const MEMBER_ID_MAX: usize = 64;
pub const REFERENCE_MAX: usize = 64;

/// Largest amount of one event, in minor units: ten billion yuan.
pub const AMOUNT_MAX_MINOR: i64 = 1_000_000_000_000;
/// Largest number of points of one event.
pub const POINTS_MAX: i64 = 100_000_000_000;
/// Decimals of a rate (points per unit, value or price of a point).
pub const RATE_SCALE: u32 = 8;
/// Largest rate, in whole units.
pub const RATE_MAX: i64 = 10_000;

/// Lines of one programme.
pub const LINES_MAX: usize = 64;
/// Rules of one rulebook, of all kinds together.
pub const RULES_MAX: usize = 4_096;
/// Characters of an account's code and name, and of a voucher line's summary:
/// what the accounting programs take.
pub const ACCOUNT_CODE_MAX: usize = 15;
pub const ACCOUNT_NAME_MAX: usize = 60;
pub const SUMMARY_MAX: usize = 60;
/// Characters of a line's codes in accounting programs, of the word of their vouchers, and of who
/// prepared them.
pub const AUX_CODE_MAX: usize = 20;
pub const VOUCHER_WORD_MAX: usize = 8;
pub const PREPARED_BY_MAX: usize = 20;
/// Vouchers of one entity and month are numbered from at most this number on.
pub const FIRST_NUMBER_MAX: u32 = 1_000_000;
/// Characters of the names of a programme, its lines and their entities: what a
/// payment message takes.
pub const NAME_MAX: usize = 140;
/// Characters of a bank account.
pub const BANK_ACCOUNT_MAX: usize = 64;
/// Characters of a taxpayer's number.
pub const TAX_ID_MAX: usize = 35;
/// Characters of a tax code.
pub const TAX_CODE_MAX: usize = 16;
/// Parts of one amount that are taxed by different codes.
pub const TAX_PARTS_MAX: usize = 10;
/// Digits of a classification code of goods and services (税收分类编码).
pub const GOODS_CODE_MAX: usize = 19;
/// Characters of a payment's purpose.
pub const PURPOSE_MAX: usize = 140;
/// Business days from the payments to the hub to those that it makes.
pub const OUT_AFTER_MAX: u32 = 20;
/// Characters of the reason for a redemption rate that a person sets.
pub const REASON_MAX: usize = 500;
/// A period may be sealed at most this long after its end: a month.
pub const SEAL_AFTER_HOURS_MAX: u32 = 31 * 24;
/// Parts of a split, and sponsors of a multiplier.
pub const SHARES_MAX: usize = 8;

/// A lot is at most this many months old when it expires.
pub const EXPIRY_MONTHS_MAX: u32 = 120;
pub const EXPIRY_DAYS_MAX: u32 = 3_660;
/// Months whose redemptions an estimate may look back on.
pub const WINDOW_MONTHS_MAX: u32 = 60;
/// Shards of a period.
pub const SHARDS_MAX: u16 = 4_096;
/// How far a caller's clock may be ahead.
pub const FUTURE_TOLERANCE_MINUTES: i64 = 10;
/// What is left of a lot is told for at most this many months after its last day.
pub const REFUND_MONTHS_MAX: u32 = 36;
/// A lot stays on the account for so many whole months more than a refund may ask
/// for it, and an event that comes late can still spend what it could have spent in time.
pub const EXPIRED_LOT_KEPT_MONTHS: u32 = 1;
/// Latest business day of a month on which net positions may be paid.
pub const PAYMENT_DAY_MAX: u32 = 20;
/// Nets up to this many are settled directly with the fewest payments possible.
pub const EXACT_NETTING_MAX: usize = 15;

// A rated slice is points x rate; the largest product leaves room for a total
// of many slices in an i128.
const _: () = assert!((POINTS_MAX as i128) * (RATE_MAX as i128) < i128::MAX / 1_000_000_000_000_000);
