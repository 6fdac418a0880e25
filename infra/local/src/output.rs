//! What a command prints: text for a person, or one JSON document.

use crate::CliError;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use interline_domain::causes::causes;
use serde_json::{Value, json};

pub struct Output {
    json: bool,
    document: bool,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self { json, document: json }
    }

    /// Prints what this one does, but no document of its own.
    pub fn text_only(&self) -> Self {
        Self { json: self.json, document: false }
    }

    pub fn is_json(&self) -> bool {
        self.json
    }

    /// A line of text; nothing when JSON was asked for.
    pub fn line(&self, text: impl AsRef<str>) {
        if !self.json {
            println!("{}", text.as_ref());
        }
    }

    /// The document; nothing when text was asked for.
    pub fn document(&self, value: &Value) {
        if self.document {
            println!("{value:#}");
        }
    }

    pub fn error(&self, error: &CliError) {
        let text = causes(error);
        self.document(&json!({ "error": text }));
        eprintln!("error: {text}");
    }

    /// A bar on standard error; invisible when that is no terminal.
    pub fn progress(&self, title: &str, total: u64) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg:24} {bar:32} {human_pos}/{human_len} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(title.to_owned());
        bar
    }

    /// Columns under headings; those whose heading starts with `>` are aligned right.
    pub fn table(&self, headings: &[&str], rows: &[Vec<String>]) {
        let mut widths: Vec<usize> = headings.iter().map(|heading| heading.trim_start_matches('>').len()).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |cells: Vec<&str>| {
            let padded = cells.iter().zip(headings).zip(&widths).map(|((cell, heading), width)| {
                if heading.starts_with('>') { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            format!("  {}", padded.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
        };
        self.line(line(headings.iter().map(|heading| heading.trim_start_matches('>')).collect()));
        for row in rows {
            self.line(line(row.iter().map(String::as_str).collect()));
        }
    }
}
