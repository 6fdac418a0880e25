//! Charts as rows of a table: each row has its bar beside its name and amount,
//! so that a chart reads as a table where it is not seen.

use maud::{Markup, html};

/// The amounts between the left and right edge of a chart; zero is among them.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    low: i128,
    high: i128,
}

/// Hundredths of a percent of the width.
type Place = i128;
const WIDTH: Place = 10_000;
/// The thinnest bar that can still be seen.
const THIN: Place = 40;

impl Scale {
    pub fn of(values: impl IntoIterator<Item = i64>) -> Self {
        let (low, high) = values
            .into_iter()
            .fold((0, 0), |(low, high): (i128, i128), value| (low.min(i128::from(value)), high.max(i128::from(value))));
        Self { low, high }
    }

    fn place(self, value: i64) -> Place {
        match self.high - self.low {
            0 => 0,
            width => (i128::from(value) - self.low) * WIDTH / width,
        }
    }

    fn span(self, from: i64, to: i64) -> (Place, Place) {
        let (from, to) = (self.place(from), self.place(to));
        let (left, width) = (from.min(to), (from - to).abs());
        if width == 0 || width >= THIN { (left, width) } else { (left.min(WIDTH - THIN), THIN) }
    }

    /// A bar from zero. A negative one is pale and goes the other way.
    pub fn bar(self, value: i64) -> Markup {
        let (left, width) = self.span(0, value);
        html! {
            svg aria-hidden="true" focusable="false" {
                rect .fill[value >= 0] .fill-pale[value < 0] x=(text(left)) y="18%" width=(text(width)) height="64%" {}
                (self.axis())
            }
        }
    }

    /// A step of a waterfall: from where the one before ended to where the next
    /// begins. `Step::Total` stands on the axis.
    pub fn step(self, step: Step, first: bool, last: bool) -> Markup {
        let (from, to) = match step {
            Step::Total(value) => (0, value),
            Step::Change { before, after } => (before, after),
        };
        let enters = match step {
            Step::Total(value) => value,
            Step::Change { before, .. } => before,
        };
        let (left, width) = self.span(from, to);
        let change = matches!(step, Step::Change { .. });
        let rises = change && to > from;
        html! {
            svg aria-hidden="true" focusable="false" {
                (self.axis())
                @if width == 0 {
                    (link(left, "0%", "100%"))
                } @else {
                    @if !first { (link(self.place(enters), "0%", "18%")) }
                    rect
                        .fill[!change] .fill-up[rises] .fill-pale[change && !rises]
                        x=(text(left)) y="18%" width=(text(width)) height="64%" {}
                    @if !last { (link(self.place(to), "82%", "100%")) }
                }
            }
        }
    }

    fn axis(self) -> Markup {
        let zero = text(self.place(0));
        html! { line.axis x1=(zero) x2=(zero) y1="0%" y2="100%" {} }
    }
}

#[derive(Debug, Clone, Copy)]
pub enum Step {
    Total(i64),
    Change { before: i64, after: i64 },
}

fn link(at: Place, from: &str, to: &str) -> Markup {
    html! { line.link x1=(text(at)) x2=(text(at)) y1=(from) y2=(to) {} }
}

fn text(place: Place) -> String {
    format!("{}.{:02}%", place / 100, place % 100)
}

/// How dark a cell of a heat map is, from 0 (nothing) to 5: each step is half of
/// the next, as flows between lines differ by orders of magnitude.
pub fn heat(value: i64, most: i64) -> &'static str {
    let (value, most) = (i128::from(value.unsigned_abs()), i128::from(most.unsigned_abs()));
    match value {
        0 => "",
        _ if value * 2 > most => "h5",
        _ if value * 4 > most => "h4",
        _ if value * 8 > most => "h3",
        _ if value * 16 > most => "h2",
        _ => "h1",
    }
}
