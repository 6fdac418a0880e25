use interline_domain::units::calendar::Period;
use serde::{Deserialize, Serialize};

/// What a step of a close that works shard by shard is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShardTask {
    pub period: Period,
    pub run: String,
    /// SHA-256 of the rulebook's text.
    pub rulebook: String,
    pub shard: u8,
}
