//! The text whose SHA-256 stands for an entry in a shard's digest.

use crate::claims::account::Repayment;
use crate::claims::lot::{Cohort, Slice};
use crate::units::calendar::Period;
use crate::units::moment::write_utc;
use chrono::{DateTime, Utc};
use std::fmt;

/// Room for the texts of entries, one after another. Most are of the cohort that the one
/// before was of, so its text is kept.
#[derive(Debug, Clone, Default)]
pub struct Canonical {
    text: String,
    cohort: Option<(Cohort, String)>,
}

impl Canonical {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(super) fn number(&mut self, number: i64) {
        self.text.push_str(itoa::Buffer::new().format(number));
    }

    pub(super) fn moment(&mut self, moment: DateTime<Utc>) {
        write_utc(&mut self.text, moment);
    }

    pub(super) fn period(&mut self, period: Period) {
        period.write(&mut self.text);
    }

    /// `|name;scheme|issued|expires:points;…`
    pub(super) fn slices(&mut self, name: &str, slices: &[Slice]) {
        self.push("|");
        self.push(name);
        for slice in slices {
            self.push(";");
            self.slice(slice);
        }
    }

    /// `|repaid;creditor:scheme|issued|expires:points;…`
    pub(super) fn repaid(&mut self, repaid: &[Repayment]) {
        self.push("|repaid");
        for Repayment { creditor, paid } in repaid {
            self.push(";");
            self.push(creditor.as_str());
            self.push(":");
            self.slice(paid);
        }
    }

    fn slice(&mut self, Slice { cohort, points }: &Slice) {
        let known = match &mut self.cohort {
            Some((known, text)) if known == cohort => text,
            other => {
                let mut text = String::new();
                cohort.write(&mut text);
                text.push(':');
                &mut other.insert((cohort.clone(), text)).1
            }
        };
        self.text.push_str(known);
        self.number(points.get());
    }
}

impl fmt::Write for Canonical {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text.push_str(text);
        Ok(())
    }
}
