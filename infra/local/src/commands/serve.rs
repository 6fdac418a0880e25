use crate::CliError;
use crate::gateway::{Gateway, tokens};
use crate::inbox::watch;
use crate::output::{Output, warn};
use crate::world::{INBOX_BUCKET, World};
use interline_embedded::Embedded;
use interline_import::Imported;
use serde_json::json;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::TcpListener;

/// As shells have it.
const ENDED_BY_SIGNAL: i32 = 130;

/// Serves the API, and reads what is dropped in the inbox, until it is told to stop.
pub async fn serve(world: &World, host: Option<IpAddr>, port: u16, output: &Output) -> Result<bool, CliError> {
    let first = host.unwrap_or(Ipv4Addr::LOCALHOST.into());
    let listen = |source| CliError::File {
        action: "cannot listen on",
        path: SocketAddr::new(first, port).to_string().into(),
        source,
    };
    let listener = TcpListener::bind((first, port)).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let mut listeners = vec![listener];
    if host.is_none() {
        // Whoever says localhost may mean either; a machine may have only one.
        listeners.extend(TcpListener::bind((Ipv6Addr::LOCALHOST, address.port())).await.ok());
    }
    if !first.is_loopback() {
        warn(format!("warning: the tokens below are no secret, and whoever reaches {address} may use them"));
    }
    let published = world.app.rulebook().await?;
    let tokens = tokens(&published.rulebook);
    output.line(format!("{} on http://{address}, with one token per role:", published.rulebook.name));
    let rows: Vec<Vec<String>> = tokens.iter().map(|(token, caller)| vec![caller.to_string(), token.clone()]).collect();
    output.table(&["role", "token (Authorization: Bearer ...)"], &rows);
    let settings = environment(world);
    if !settings.is_empty() {
        output.line("Each token is an access key, too, and its own secret, for callers who sign (SigV4, execute-api).");
        output.line("For the inbox and the reports, in another terminal:");
        settings.iter().for_each(|(name, value)| output.line(format!("  export {name}={value}")));
        output.line(format!("  aws s3 cp FILE.csv s3://{INBOX_BUCKET}/inbox/LINE/"));
    }
    output.line("Ctrl-C stops it.");
    let roles: Vec<_> =
        tokens.iter().map(|(token, caller)| json!({ "role": caller.to_string(), "token": token })).collect();
    let settings: serde_json::Map<_, _> =
        settings.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    output.document(&json!({ "url": format!("http://{address}"), "roles": roles, "environment": settings }));
    let bucket = world.folder.as_ref().map(|folder| folder.join(INBOX_BUCKET));
    let inbox = bucket.map(|bucket| tokio::spawn(watch(world.app.clone(), bucket, told(!output.is_json()))));
    let gateway = Gateway::new(world.app.clone(), &published.rulebook, !output.is_json());
    let served = gateway.serve(listeners, stopped_twice()).await.map_err(listen);
    if let Some(inbox) = inbox {
        // A file that is cut off here is read by the next server from where it was.
        inbox.abort();
        let _ = inbox.await;
    }
    served?;
    output.line("stopped");
    Ok(true)
}

/// What an SDK needs to find the buckets.
fn environment(world: &World) -> Vec<(&'static str, String)> {
    let Some(embedded) = &world.embedded else { return Vec::new() };
    vec![
        ("AWS_ENDPOINT_URL_S3", embedded.s3_endpoint()),
        ("AWS_ACCESS_KEY_ID", Embedded::access_key().to_owned()),
        ("AWS_SECRET_ACCESS_KEY", Embedded::secret_key().to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ]
}

/// A line for each file of the inbox, as for each request.
fn told(log: bool) -> impl Fn(&str, &Imported) + Send {
    move |key, imported| {
        if log {
            let Imported { rows, accepted, replayed, rejected, refused, rejects, .. } = imported;
            let what = match refused {
                Some(reason) => format!("refused: {reason}"),
                None => format!("{rows} rows, {accepted} accepted, {replayed} known, {rejected} rejected"),
            };
            let place = rejects.as_ref().map(|key| format!(", see {key}")).unwrap_or_default();
            let _ = writeln!(io::stdout(), "{key}: {what}{place}");
        }
    }
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
