use interline_lambda::bootstrap;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    bootstrap::run_http(|app, request| Box::pin(async move { interline_account::handle(&app, request).await })).await
}
