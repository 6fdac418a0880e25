//! Everything that reads what others wrote, and what must hold whatever they wrote.
//!
//! Each target takes any bytes and panics where a rule is broken. The fuzzers under `tests/fuzz` look for such bytes; what
//! they have tried and kept is replayed by a test on every run.

mod csv_import;
mod manifest;
pub mod memory;
mod request_body;
mod rulebook;

/// Panics where a rule is broken.
pub type Check = fn(&[u8]);

/// What is fuzzed, by the name of its target and of its corpus.
pub const TARGETS: [(&str, Check); 4] = [
    ("csv_import", csv_import::check),
    ("request_body", request_body::check),
    ("rulebook", rulebook::check),
    ("manifest", manifest::check),
];

/// Runs a target on one input.
pub fn check(target: &str, bytes: &[u8]) {
    let (_, check) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    check(bytes);
}

/// What a spreadsheet would take for a formula.
fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}

/// The cells of a CSV file that we wrote. All rows are as wide as the headings, and what begins like a formula is a
/// negative number.
fn cells(csv: &[u8]) -> Vec<Vec<String>> {
    let text = csv.strip_prefix(interline_reports::sheet::BOM).expect("a byte order mark");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text);
    let records = reader.records().map(|record| record.expect("rows of one width"));
    let rows: Vec<Vec<String>> = records.map(|record| record.iter().map(str::to_owned).collect()).collect();
    for cell in rows.iter().flatten() {
        let digits = cell.strip_prefix('-').unwrap_or_default();
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        assert!(is_number || !is_formula(cell), "a formula: {cell:?}");
    }
    rows
}
