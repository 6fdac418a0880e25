//! The sample programme that the demo runs: see `sample/ATTRIBUTION.md`.

pub const RULEBOOK: &str = include_str!("../sample/rulebook.toml");

/// Name and content of the sample's files, in order of time.
pub const FILES: [(&str, &[u8]); 2] = [
    ("events-2017-01.csv.gz", include_bytes!("../sample/events-2017-01.csv.gz")),
    ("events-2017-02.csv.gz", include_bytes!("../sample/events-2017-02.csv.gz")),
];
