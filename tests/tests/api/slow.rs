//! Callers who take their time, and callers who go away.

use crate::served::Served;
use interline::gateway::Gateway;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const NOW: &str = "2017-02-01T09:00:00+08:00";
/// What they are given here, in place of half a minute.
const PATIENCE: Duration = Duration::from_millis(100);
const HEAD: &str =
    "PUT /v1/lines/grocery/accruals/A-1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer local-grocery\r\n";

/// What is answered to the beginning of a request.
async fn answered(beginning: &str, goes_away: bool) -> String {
    let served = Served::sample(NOW).await;
    let rulebook = served.programme.rulebook().await;
    let gateway = Gateway::new(served.programme.world.app.clone(), &rulebook, false).with_patience(PATIENCE);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(gateway.serve(vec![listener], std::future::pending()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(beginning.as_bytes()).await.unwrap();
    if goes_away {
        stream.shutdown().await.unwrap();
    }
    let mut answer = Vec::new();
    // Ended by the server, or cut off by it.
    let _ = stream.read_to_end(&mut answer).await;
    server.abort();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for_for_ever() {
    let answer = answered(HEAD, false).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_end_is_answered_408() {
    let answer = answered(&format!("{HEAD}Connection: close\r\nContent-Length: 100\r\n\r\n{{"), false).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_not_too_large() {
    let answer = answered(&format!("{HEAD}Connection: close\r\nContent-Length: 100\r\n\r\n{{"), true).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
}
