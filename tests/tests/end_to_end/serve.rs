//! The server of a laptop is used as AWS is: signed calls, and files dropped in the inbox.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use interline::world::INBOX_BUCKET;
use interline_tests::programs::{Running, interline};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const NOW: &str = "2017-02-01T09:00:00+08:00";
const SALE: &str = r#"{"member": "m1", "occurred_at": "2017-01-20T10:00:00+08:00", "amount": "250.00"}"#;

struct Server {
    running: Running,
    said: Value,
}

impl Server {
    fn start(data: &Path, arguments: &[&str]) -> Self {
        let mut command = interline(data, &["--json", "serve", "--port", "0", "--now", NOW]);
        let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let running = Running(child);
        let mut text = String::new();
        for line in output.lines().map_while(Result::ok) {
            text += &line;
            if line == "}" {
                break;
            }
        }
        Self { running, said: serde_json::from_str(&text).unwrap() }
    }

    fn url(&self) -> &str {
        self.said["url"].as_str().unwrap()
    }

    /// The status of a sale's call, signed or not.
    fn sale(&self, arguments: &[&str]) -> String {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*", "-X", "PUT", "-d", SALE]);
        let run = curl.args(arguments).arg(format!("{}/v1/lines/grocery/accruals/A-1", self.url())).output().unwrap();
        String::from_utf8(run.stdout).unwrap()
    }

    fn s3(&self) -> Client {
        let setting = |name: &str| self.said["environment"][name].as_str().unwrap().to_owned();
        let (key, secret) = (setting("AWS_ACCESS_KEY_ID"), setting("AWS_SECRET_ACCESS_KEY"));
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(setting("AWS_ENDPOINT_URL_S3"))
            .region(Region::new(setting("AWS_REGION")))
            .credentials_provider(Credentials::new(key, secret, None, None, "test"))
            .force_path_style(true)
            .build();
        Client::from_conf(config)
    }
}

#[test]
fn a_call_is_signed_as_for_aws_with_a_token_as_its_key_and_another_signature_is_refused() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(&folder.path().join("data"), &[]);
    let signed = |user: &str, more: &[&str]| {
        let arguments = [&["--aws-sigv4", "aws:amz:eu-central-1:execute-api", "--user", user], more].concat();
        server.sale(&arguments)
    };
    assert_eq!(server.sale(&[]), "403");
    assert_eq!(signed("local-grocery:wrong", &[]), "403");
    assert_eq!(signed("local-nobody:local-nobody", &[]), "403");
    assert_eq!(signed("local-grocery:local-grocery", &["-H", "X-Amz-Date: 20170101T000000Z"]), "403");
    assert_eq!(signed("local-dining:local-dining", &[]), "403");
    assert_eq!(signed("local-grocery:local-grocery", &[]), "201");
    assert_eq!(signed("local-grocery:local-grocery", &["-H", "Content-Type: application/json"]), "200");
    assert_eq!(server.sale(&["--oauth2-bearer", "local-grocery"]), "200");
}

#[tokio::test]
async fn a_file_that_is_dropped_in_the_inbox_is_read_and_its_rejected_rows_come_back() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let file = |reference: &str| {
        format!(
            "event,line,reference,occurred_at,member,amount,points,reverses\n\
             accrual,grocery,{reference},2017-01-20T10:00:00+08:00,m1,10.00,,\n\
             accrual,grocery,{reference}-x,2017-01-20T10:00:00+08:00,m1,-1.00,,\n"
        )
    };
    let server = Server::start(&data, &[]);
    let put = async |server: &Server, key: &str, text: String| {
        let body = ByteStream::from(text.into_bytes());
        server.s3().put_object().bucket(INBOX_BUCKET).key(key).body(body).send().await.unwrap();
    };
    let rejects = async |server: &Server, number: usize| loop {
        let list = server.s3().list_objects_v2().bucket(INBOX_BUCKET).prefix("rejects/grocery/").send().await.unwrap();
        if list.contents().len() >= number {
            return list.contents().len();
        }
        tokio::task::yield_now().await;
    };
    put(&server, "inbox/grocery/one.csv", file("F-1")).await;
    assert_eq!(rejects(&server, 1).await, 1);
    // Another server goes on: what was read is not read again, what comes anew is.
    drop(server);
    std::fs::write(data.join("s3").join(INBOX_BUCKET).join("inbox/grocery/two.csv"), file("F-2")).unwrap();
    let server = Server::start(&data, &[]);
    assert_eq!(rejects(&server, 2).await, 2);
    put(&server, "inbox/grocery/one.csv", file("F-3")).await;
    assert_eq!(rejects(&server, 3).await, 3);
    drop(server);
    let shown = interline_tests::programs::good_answer(&data, &["member", "m1"]);
    assert_eq!(shown["lots"][0]["points"], 30, "{shown}");
}

#[test]
fn told_to_stop_twice_the_server_does_not_wait_for_what_is_under_way() {
    let folder = TempDir::new().unwrap();
    let mut server = Server::start(&folder.path().join("data"), &[]);
    // A request whose body does not end.
    let mut slow = TcpStream::connect(server.url().strip_prefix("http://").unwrap()).unwrap();
    let head = "PUT /v1/lines/grocery/accruals/A-1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{";
    slow.write_all(head.as_bytes()).unwrap();
    // Until the server has it under way, it answers others.
    assert_eq!(server.sale(&["--oauth2-bearer", "local-grocery"]), "201");
    let interrupt = |server: &Server| {
        let pid = server.running.0.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    };
    interrupt(&server);
    // It takes no more calls, and waits.
    while server.sale(&["--oauth2-bearer", "local-grocery"]) != "000" {}
    assert!(server.running.0.try_wait().unwrap().is_none());
    interrupt(&server);
    assert_eq!(server.running.0.wait().unwrap().code(), Some(130));
    drop(slow);
}
