use crate::CliError;
use crate::gateway::{Gateway, tokens};
use crate::output::Output;
use crate::world::World;
use serde_json::json;
use std::net::Ipv4Addr;
use tokio::net::TcpListener;

/// As shells have it.
const ENDED_BY_SIGNAL: i32 = 130;

/// Serves the API on loopback until it is told to stop.
pub async fn serve(world: &World, port: u16, output: &Output) -> Result<bool, CliError> {
    let listen =
        |source| CliError::File { action: "cannot listen on", path: format!("127.0.0.1:{port}").into(), source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let published = world.app.rulebook().await?;
    let tokens = tokens(&published.rulebook);
    output.line(format!("{} on http://{address}, with one token per role:", published.rulebook.name));
    let rows: Vec<Vec<String>> = tokens.iter().map(|(token, caller)| vec![caller.to_string(), token.clone()]).collect();
    output.table(&["role", "token (Authorization: Bearer ...)"], &rows);
    output.line("Ctrl-C stops it.");
    let roles: Vec<_> =
        tokens.iter().map(|(token, caller)| json!({ "role": caller.to_string(), "token": token })).collect();
    output.document(&json!({ "url": format!("http://{address}"), "roles": roles }));
    let gateway = Gateway::new(world.app.clone(), &published.rulebook, !output.is_json());
    gateway.serve(listener, stopped_twice()).await.map_err(listen)?;
    output.line("stopped");
    Ok(true)
}

/// Until told to stop. Told once more, the program does not wait for what is under way.
async fn stopped_twice() {
    stopped().await;
    tokio::spawn(async {
        stopped().await;
        std::process::exit(ENDED_BY_SIGNAL);
    });
}

/// Ctrl-C, or a polite kill.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupted = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
        }
        Err(_) => {
            let _ = interrupted.await;
        }
    }
}
