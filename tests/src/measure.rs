//! Figures with their spread, and what a process used.

use serde_json::{Value, json};
use std::fs;

/// One figure, measured in several runs.
pub struct Figure {
    part: &'static str,
    what: String,
    unit: &'static str,
    runs: Vec<f64>,
}

impl Figure {
    fn sorted(&self) -> Vec<f64> {
        let mut runs = self.runs.clone();
        runs.sort_unstable_by(f64::total_cmp);
        runs
    }

    fn median(&self) -> f64 {
        let sorted = self.sorted();
        (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0
    }

    fn json(&self) -> Value {
        let sorted = self.sorted();
        json!({
            "part": self.part, "what": self.what, "unit": self.unit, "runs": self.runs.len(),
            "min": sorted[0], "median": self.median(), "max": sorted[sorted.len() - 1],
        })
    }
}

/// All figures of a measurement, printed as one table.
#[derive(Default)]
pub struct Report {
    figures: Vec<Figure>,
}

impl Report {
    /// Adds a figure and says it, as the whole table may take an hour.
    pub fn add(&mut self, part: &'static str, what: impl Into<String>, unit: &'static str, runs: Vec<f64>) {
        let figure = Figure { part, what: what.into(), unit, runs };
        eprintln!("{part}: {}: {} {unit}", figure.what, number(figure.median()));
        self.figures.push(figure);
    }

    /// Figures that another program measured: `what`, `unit` and `runs` of each.
    pub fn take(&mut self, part: &'static str, prefix: &str, figures: &Value) {
        for figure in figures.as_array().unwrap() {
            let text = |name: &str| figure[name].as_str().unwrap();
            let unit = UNITS.into_iter().find(|unit| *unit == text("unit")).unwrap();
            let runs = figure["runs"].as_array().unwrap().iter().map(|run| run.as_f64().unwrap()).collect();
            self.add(part, format!("{prefix}{}", text("what")), unit, runs);
        }
    }

    pub fn json(&self) -> Value {
        json!(self.figures.iter().map(Figure::json).collect::<Vec<_>>())
    }

    /// A table in Markdown, which reads as well in a terminal.
    pub fn table(&self) -> String {
        let header = ["", "min", "median", "max", "unit", "runs"].map(str::to_owned);
        let rows = self.figures.iter().map(|figure| {
            let sorted = figure.sorted();
            [
                format!("{}: {}", figure.part, figure.what),
                number(sorted[0]),
                number(figure.median()),
                number(sorted[sorted.len() - 1]),
                figure.unit.to_owned(),
                figure.runs.len().to_string(),
            ]
        });
        markdown(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
    }
}

/// The first column to the left, the others to the right.
pub fn markdown<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(3);
    let widths: Vec<usize> = (0..COLUMNS).map(width).collect();
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            text += &if column == 0 { format!("| {cell:width$} ") } else { format!("| {cell:>width$} ") };
        }
        text += "|\n";
        if at == 0 {
            for (column, width) in widths.iter().enumerate() {
                let dashes = "-".repeat(*width);
                text += &if column == 0 { format!("|-{dashes}-") } else { format!("|-{dashes}:") };
            }
            text += "|\n";
        }
    }
    text
}

/// Three digits where there are not more before the point.
pub fn number(value: f64) -> String {
    match value.abs() {
        _ if value.fract() == 0.0 => grouped(&format!("{value:.0}")),
        ..1.0 => format!("{value:.3}"),
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => grouped(&format!("{value:.0}")),
    }
}

fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && digit.is_ascii_digit() && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text.replace("-,", "-")
}

/// Units of figures that other programs measure.
const UNITS: [&str; 3] = ["s", "MB", "x"];

/// One ratio per run, each of two figures of the same run.
pub fn ratios(of: &[f64], to: &[f64]) -> Vec<f64> {
    of.iter().zip(to).map(|(of, to)| of / to).collect()
}

/// Largest resident memory of a process so far, in MB (10^6 bytes).
pub fn peak_memory(process: u32) -> f64 {
    memory(process, "VmHWM:")
}

/// Resident memory of a process now, in MB.
pub fn resident_memory(process: u32) -> f64 {
    memory(process, "VmRSS:")
}

fn memory(process: u32, field: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1_024.0 / 1e6
}

/// Processor time of a process so far, in seconds.
pub fn processor_time(process: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    tasks.map(|task| nanoseconds(&task.unwrap().path().join("schedstat").to_string_lossy())).sum::<f64>() / 1e9
}

/// Processor time of this thread so far, in nanoseconds.
pub fn thread_time() -> f64 {
    nanoseconds("/proc/thread-self/schedstat")
}

fn nanoseconds(path: &str) -> f64 {
    let text = fs::read_to_string(path).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}
