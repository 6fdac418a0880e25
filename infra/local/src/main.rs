use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    interline::run(std::env::args_os()).await
}
