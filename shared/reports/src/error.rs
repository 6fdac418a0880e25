use interline_domain::close::books::BooksError;
use interline_domain::units::money::OutOfRange;

/// Why a report could not be rendered. None of it is expected of a settlement
/// whose checks pass.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("a report could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("a workbook could not be written: {0}")]
    Workbook(#[from] rust_xlsxwriter::XlsxError),
    #[error("a file could not be written: {0}")]
    Io(#[from] std::io::Error),
    #[error("vouchers could not be posted: {0}")]
    Books(#[from] BooksError),
    #[error("a report: {0}")]
    OutOfRange(#[from] OutOfRange),
}
