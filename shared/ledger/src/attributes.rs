//! The names of attributes. Short, because every name is stored and paid for
//! with every item.

pub const PK: &str = "pk";
pub const SK: &str = "sk";

// Account.
/// Version: the number of writes.
pub const VERSION: &str = "v";
/// Lots: a map `funder|issued|expires` -> points.
pub const LOTS: &str = "l";
/// Debts: a map creditor -> points.
pub const DEBTS: &str = "d";
/// Hashes of the latest references, eight bytes each, oldest first.
pub const RECENT: &str = "h";
/// Capped redemptions: a map `line|day` -> points.
pub const REDEEMED: &str = "u";
/// The latest period that booked points given back.
pub const RETURNED_IN: &str = "i";

// Entry. Line, kind and reference are in the sort key, the booked period in the
// partition key, the origin of a late entry at the end of the sort key.
/// Member; also the partition key of the statement index.
pub const MEMBER: &str = "m";
/// When it happened, in UTC without the `Z`; also the sort key of the statement index.
pub const OCCURRED: &str = "o";
/// The offset that the caller wrote, in seconds.
pub const OFFSET: &str = "z";
/// When it was recorded. In no report and no digest.
pub const RECORDED: &str = "r";
/// The digest of the file that it came in. In no report and no digest.
pub const SOURCE: &str = "fd";
/// What the member could spend after the entry.
pub const BALANCE: &str = "c";
/// SHA-256 of the command.
pub const FINGERPRINT: &str = "f";
/// The command's amount, in minor units.
pub const AMOUNT: &str = "a";
/// The command's points.
pub const POINTS: &str = "p";
/// `code:reference` of what a reversal takes back.
pub const REVERSES: &str = "x";
/// Slices `funder|issued|expires:points;...`: issued, spent, taken, or those of
/// the original for a return.
pub const SLICES: &str = "s";
/// Debts repaid `creditor:funder|issued|expires:points;...`
pub const REPAID: &str = "y";
/// Value granted or given back, in minor units.
pub const VALUE: &str = "g";
/// For a reversal: when its original happened, in UTC.
pub const ORIGINAL_AT: &str = "t";
/// For a return: the value of the original.
pub const ORIGINAL_VALUE: &str = "w";
/// For a return: points given back before.
pub const BEFORE: &str = "q";
/// For a return: points given back now.
pub const RETURNED: &str = "n";
/// For a withdrawal: the amount refunded now.
pub const REFUNDED: &str = "b";
/// For a withdrawal: slices that were spent already.
pub const OWED: &str = "e";

/// On the stub that a late entry leaves in its home: the period that clears it.
pub const BOOKED: &str = "k";
/// On a remembered refusal: a map file digest -> `field|code|rule`.
pub const REFUSALS: &str = "no";

/// What a month is closed from: all of an entry but its fingerprint and what was
/// noted beside it, and what stubs and refusals are told by.
pub const CLEARED: [&str; 19] = [
    PK,
    SK,
    MEMBER,
    OCCURRED,
    OFFSET,
    AMOUNT,
    POINTS,
    REVERSES,
    SLICES,
    REPAID,
    VALUE,
    ORIGINAL_AT,
    ORIGINAL_VALUE,
    BEFORE,
    RETURNED,
    REFUNDED,
    OWED,
    BOOKED,
    REFUSALS,
];

// Reversal tracker: AMOUNT and POINTS reversed so far.

// Gate.
/// When the shard was sealed.
pub const SEALED: &str = "at";

// Period and rulebook pointer.
/// The period's state, or the rulebook's hash, as JSON.
pub const DOCUMENT: &str = "j";
/// Counts the writes of a period's state.
pub const REVISION: &str = "n";
