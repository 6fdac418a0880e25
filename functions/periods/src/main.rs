use interline_lambda::{Failure, bootstrap};
use interline_periods::state_machine;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let starter = state_machine::starter(&bootstrap::sdk_config().await)?;
    let starter = &starter;
    bootstrap::run_http(|app, request| Box::pin(async move { interline_periods::handle(&app, starter, request).await }))
        .await
        .map_err(|error| Failure::Unusable(error.to_string()).into())
}
