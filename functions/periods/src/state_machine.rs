//! Starts a close on AWS: an execution of the month-end state machine.

use crate::Starter;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::DisplayErrorContext;
use interline_cutoff::Close;
use interline_lambda::Failure;
use interline_lambda::bootstrap::SdkConfig;
use interline_ledger::LedgerError;

/// Reads the state machine's ARN from `INTERLINE_STATE_MACHINE`.
pub fn starter(config: &SdkConfig) -> Result<Starter, Failure> {
    let arn = std::env::var("INTERLINE_STATE_MACHINE")
        .map_err(|_| Failure::Unusable("the environment variable INTERLINE_STATE_MACHINE is missing".to_owned()))?;
    let client = Client::new(config);
    Ok(Box::new(move |name: String, close: Close| {
        let (client, arn) = (client.clone(), arn.clone());
        Box::pin(async move {
            let input = serde_json::to_string(&close)?;
            let sent = client.start_execution().state_machine_arn(arn).name(name).input(input).send().await;
            let unavailable = |error| LedgerError::Unavailable(DisplayErrorContext(error).to_string());
            sent.map(|_| ()).map_err(|error| Failure::Ledger(unavailable(error)))
        })
    }))
}
