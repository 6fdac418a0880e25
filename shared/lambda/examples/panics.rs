//! A function with a defect: it panics over an event that says so, and answers
//! any other. The tests see what becomes of its process.

use interline_lambda::bootstrap;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    bootstrap::run(|_, event: Value| {
        Box::pin(async move {
            #[expect(clippy::panic, reason = "what it is for")]
            if event["defect"] == true {
                panic!("a defect");
            }
            Ok(event)
        })
    })
    .await
}
