use interline_lambda::bootstrap;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    bootstrap::run_with_keys(|app, event| Box::pin(async move { interline_prove::handle(&app, event).await })).await
}
