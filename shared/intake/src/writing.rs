use crate::rows::all_columns;
use interline_domain::events::{Command, Taxes};
use interline_domain::units::currency::Currency;
use interline_domain::units::id::TaxCode;

/// A file of events in the columns that an import reads.
#[derive(Debug)]
pub struct FileOfEvents {
    rows: csv::Writer<Vec<u8>>,
    currency: Currency,
}

#[derive(Debug, thiserror::Error)]
#[error("the events could not be written as CSV: {0}")]
pub struct RowNotWritten(String);

impl FileOfEvents {
    pub fn new(currency: Currency) -> Result<Self, RowNotWritten> {
        let rows = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        let mut file = Self { rows, currency };
        file.row(&all_columns())?;
        Ok(file)
    }

    pub fn add(&mut self, command: &Command) -> Result<(), RowNotWritten> {
        let (head, fields) = (&command.head, command.fields());
        self.row(&[
            &command.kind().to_string(),
            head.line.as_str(),
            head.reference.as_str(),
            &head.occurred_at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, false),
            head.member.as_str(),
            &fields.amount.map(|amount| self.currency.show(amount).to_string()).unwrap_or_default(),
            &fields.points.map(|points| points.to_string()).unwrap_or_default(),
            &fields.reverses.map(|origin| origin.to_string()).unwrap_or_default(),
            &self.tax(fields.taxes.as_ref(), fields.tax.as_ref()),
        ])
    }

    /// As a file says it: `13:80.00;9:20.00`, or one code.
    fn tax(&self, taxes: Option<&Taxes>, code: Option<&TaxCode>) -> String {
        let part = |(code, amount)| format!("{code}:{}", self.currency.show(amount));
        let parts: Vec<String> = taxes.into_iter().flat_map(Taxes::iter).map(part).collect();
        code.map_or_else(|| parts.join(";"), TaxCode::to_string)
    }

    pub fn finish(self) -> Result<Vec<u8>, RowNotWritten> {
        self.rows.into_inner().map_err(|error| RowNotWritten(error.to_string()))
    }

    fn row(&mut self, values: &[&str]) -> Result<(), RowNotWritten> {
        self.rows.write_record(values).map_err(|error| RowNotWritten(error.to_string()))
    }
}
