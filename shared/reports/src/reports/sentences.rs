//! Why each funder's liability moved, in words.

use crate::report::{Report, Scope, Source, column};
use crate::sentences::{NAME, sentences};
use crate::sheet::Cell;
use crate::words::words;
use interline_domain::units::money::OutOfRange;

pub const REPORT: Report = Report {
    name: NAME,
    title: words("变动说明", "Why it moved"),
    scope: Scope::ProgrammeAndLines,
    columns: &[
        column("funder", "承担方", "Funder"),
        column("zh", "说明", "In Chinese"),
        column("en", "英文", "In English"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let all = sentences(source.about, source.settlement, source.comparison)?;
    let own = all.into_iter().filter(|sentence| source.concerns(&sentence.funder));
    Ok(own
        .map(|sentence| vec![Cell::text(&sentence.funder), Cell::text(sentence.zh), Cell::text(sentence.en)])
        .collect())
}
