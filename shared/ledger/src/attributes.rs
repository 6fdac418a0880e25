//! The names of attributes. Short, because every name is stored and paid for
//! with every item.

pub const PK: &str = "pk";
pub const SK: &str = "sk";

// Account.
/// The number of the member's entries; also beside an entry, which it was then.
pub const SEQUENCE: &str = "v";
/// Lots, packed as `lots.rs` says.
pub const LOTS: &str = "l";
/// Debts: a map creditor -> points.
pub const DEBTS: &str = "d";
/// Capped redemptions: a map `line|day` -> points.
pub const REDEEMED: &str = "u";
/// The latest period that booked points given back.
pub const RETURNED_IN: &str = "i";
/// Lots whose last day lies before this one are forgotten.
pub const FORGOTTEN_BEFORE: &str = "lb";

// Entry. Line, kind, reference and its scope are in the sort key, the booked period in
// the partition key, the origin of a late entry at the end of the sort key.
/// Member; also the partition key of the statement index.
pub const MEMBER: &str = "m";
/// When it happened, in UTC without the `Z`; also the sort key of the statement index.
pub const OCCURRED: &str = "o";
/// The offset that the caller wrote, in seconds.
pub const OFFSET: &str = "z";
/// When it was recorded. In no report and no digest.
pub const RECORDED: &str = "r";
/// What the member could spend after the entry.
pub const BALANCE: &str = "c";
/// Hash of the rulebook that decided it.
pub const RULEBOOK: &str = "h";
/// SHA-256 of the file that it came in; none where it came by the API.
pub const FILE: &str = "fd";
/// Who called the API, and the call's id there; beside the entry, in no digest.
pub const ASKED_BY: &str = "wb";
pub const REQUEST: &str = "wr";
/// The command's amount, in minor units.
pub const AMOUNT: &str = "a";
/// The command's points.
pub const POINTS: &str = "p";
/// `code:reference` of what a reversal takes back, with `@day` where one is named.
pub const REVERSES: &str = "x";
/// The command's taxes, `code:minor;...`
pub const TAXES: &str = "tx";
/// The tax code of what the command's points pay for.
pub const TAX: &str = "tc";
// What was decided stands under the names that the event's kind gives it.

/// What every entry has of what a month is closed from.
pub const HEAD: [&str; 11] = [PK, SK, SEQUENCE, MEMBER, OCCURRED, OFFSET, AMOUNT, POINTS, REVERSES, TAXES, TAX];

// Reference. Line, kind, reference and its scope are in the partition key. POINTS and
// AMOUNT say how much of the entry is reversed.
/// `booked#shard` of the entry, with `#home` of a late one.
pub const ENTRY_AT: &str = "k";
/// SHA-256 of the command.
pub const FINGERPRINT: &str = "f";
/// The points reversed so far of each slice `points;...`
pub const REVERSED_BY_SLICE: &str = "ps";
/// The amounts reversed so far of each of a sale's tax codes `minor;...`
pub const REVERSED_BY_TAX: &str = "pt";
/// As long as nothing is recorded: a map file digest -> `field|code|rule`.
pub const REFUSALS: &str = "no";

// Gate.
/// When the shard was sealed.
pub const SEALED: &str = "at";

// Period and rulebook pointer.
/// The period's state, or the rulebook's hash, as JSON.
pub const DOCUMENT: &str = "j";
/// Counts the writes of a period's state.
pub const REVISION: &str = "n";
