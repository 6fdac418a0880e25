use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use interline_domain::close::period::CloseRefusal;
use interline_domain::units::calendar::Period;
use interline_domain::units::causes::of_service;

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Gone on the next try, perhaps: throttled, timed out, unreachable.
    #[error("the ledger did not answer: {0}")]
    Unavailable(String),
    #[error("the ledger refused a request: {0}")]
    Refused(String),
    /// A transaction has the item just now. The SDK does not try again by itself.
    #[error("another writer has the item just now")]
    Conflicted,
    /// A clock that is behind would write behind a seal.
    #[error(
        "the clock here is wrong by {seconds} seconds (less than 0: behind) against the service's; nothing is written \
         until it is set right"
    )]
    WrongClock { seconds: i64 },
    #[error("too many writers at once; tried {0} times")]
    Contention(u32),
    #[error("ledger item {item} has no readable attribute {attribute}")]
    Broken { item: String, attribute: String },
    /// What the domain says of the period that was read for a write.
    #[error(transparent)]
    Close(#[from] CloseRefusal),
    #[error("the state of period {0} was changed by somebody else meanwhile")]
    PeriodChanged(Period),
    #[error("another rulebook came into force meanwhile; compare with that one and try again")]
    RulebookChanged,
    #[error("no rulebook is published")]
    NoRulebook,
    /// The rulebook that decided an entry.
    #[error("rulebook {hash} cannot be read: {reason}")]
    Rulebook { hash: String, reason: String },
}

impl LedgerError {
    pub fn is_retryable(&self) -> bool {
        match self {
            LedgerError::Unavailable(_)
            | LedgerError::Conflicted
            | LedgerError::Contention(_)
            | LedgerError::PeriodChanged(_) => true,
            LedgerError::Refused(_)
            | LedgerError::WrongClock { .. }
            | LedgerError::Broken { .. }
            | LedgerError::Close(_)
            | LedgerError::RulebookChanged
            | LedgerError::NoRulebook
            | LedgerError::Rulebook { .. } => false,
        }
    }
}

/// Codes that the service means to be tried again.
pub fn is_transient(code: Option<&str>) -> bool {
    is_busy(code) || code == Some("InternalServerError")
}

/// Codes of a service that works, with too much to do just now.
pub fn is_busy(code: Option<&str>) -> bool {
    matches!(
        code,
        Some(
            "ProvisionedThroughputExceededException"
                | "ThrottlingException"
                | "RequestLimitExceeded"
                | "TransactionInProgressException"
                | "LimitExceededException"
        )
    )
}

impl<E, R> From<SdkError<E, R>> for LedgerError
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    fn from(error: SdkError<E, R>) -> Self {
        // The SDK's own text shows the whole response too.
        let request = error.meta().extra("aws_request_id");
        let text = of_service(error.code(), error.message(), request, &error);
        match &error {
            SdkError::ServiceError(context) if !is_transient(context.err().code()) => LedgerError::Refused(text),
            SdkError::ConstructionFailure(_) => LedgerError::Refused(text),
            _ => LedgerError::Unavailable(text),
        }
    }
}
