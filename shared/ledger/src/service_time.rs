//! The service's time beside this process's, response by response.

use crate::error::LedgerError;
use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use chrono::{DateTime, Utc};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A seal waits longer after the end of a period, so a clock that is less wrong than
/// this writes nothing behind one.
const TOLERATED_SECONDS: i64 = 5 * 60;

/// By how many seconds the clock was ahead when the last response came.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServiceTime(Arc<AtomicI64>);

impl ServiceTime {
    /// Refuses to write by a clock that the service's contradicts.
    pub fn check(&self) -> Result<(), LedgerError> {
        match self.0.load(Ordering::Relaxed) {
            seconds if seconds.abs() <= TOLERATED_SECONDS => Ok(()),
            seconds => Err(LedgerError::WrongClock { seconds }),
        }
    }
}

impl Intercept for ServiceTime {
    fn name(&self) -> &'static str {
        "ServiceTime"
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let told = context.response().headers().get("date").and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        if let (Some(told), Some(clock)) = (told, components.time_source()) {
            let ahead = DateTime::<Utc>::from(clock.now()).signed_duration_since(told);
            self.0.store(ahead.num_seconds(), Ordering::Relaxed);
        }
        Ok(())
    }
}
