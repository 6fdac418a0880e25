//! What a command prints: text for a person, or one JSON document.

use crate::CliError;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use interline_domain::units::causes::causes;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

/// A line on standard error, if anybody reads it.
pub fn warn(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr(), "{}", text.as_ref());
}

pub struct Output {
    json: bool,
    document: bool,
    /// Why standard output did not take what was printed, the first time.
    failed: Arc<OnceLock<io::Error>>,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self { json, document: json, failed: Arc::default() }
    }

    /// Prints what this one does, but no document of its own.
    pub fn text_only(&self) -> Self {
        Self { json: self.json, document: false, failed: self.failed.clone() }
    }

    pub fn is_json(&self) -> bool {
        self.json
    }

    /// A line of text; nothing when JSON was asked for.
    pub fn line(&self, text: impl AsRef<str>) {
        if !self.json {
            self.print(text.as_ref());
        }
    }

    /// The document; nothing when text was asked for.
    pub fn document(&self, value: &Value) {
        if self.document {
            self.print(&format!("{value:#}"));
        }
    }

    pub fn error(&self, error: &CliError) {
        let text = causes(error);
        self.document(&json!({ "error": text }));
        warn(format!("error: {text}"));
    }

    /// What is printed may be lost, what the command does may not.
    pub fn print(&self, text: &str) {
        self.write(format!("{text}\n").as_bytes());
    }

    /// As [`print`](Self::print), as they are.
    pub fn write(&self, bytes: &[u8]) {
        let mut stdout = io::stdout();
        if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            let _ = self.failed.set(error);
        }
    }

    /// Why not everything was printed; a reader that has enough is no failure.
    pub fn failed(&self) -> Option<&io::Error> {
        self.failed.get().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
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
