//! Annotates a trace with what it is about, so that it is found by a request's id or by a
//! run: one subsegment, sent to X-Ray's daemon where Lambda says that there is one.
//! <https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html>

use crate::app::App;
use chrono::{DateTime, Utc};
use interline_reports::manifest::sha256;
use lambda_runtime::Context;
use serde_json::{Map, Value, json};
use std::net::UdpSocket;

const DAEMON: &str = "AWS_XRAY_DAEMON_ADDRESS";
/// What the daemon wants before a document.
const HEADER: &str = "{\"format\":\"json\",\"version\":1}\n";
/// Hexadecimal digits of a segment's id.
const ID_DIGITS: usize = 16;

/// An invocation that may be traced.
pub struct Trace {
    /// None where it is not traced.
    header: Option<String>,
    request: String,
    started: DateTime<Utc>,
}

impl Trace {
    pub fn begin(app: &App, context: Option<&Context>) -> Self {
        Self {
            header: context.and_then(|context| context.xray_trace_id.clone()),
            request: context.map(|context| context.request_id.clone()).unwrap_or_default(),
            started: app.now(),
        }
    }

    /// The invocation's id.
    pub fn request(&self) -> &str {
        &self.request
    }

    /// Tells what it was about, and whether it failed for a fault of ours. Whether that
    /// arrives is nobody's business: a trace is no record.
    pub fn end(&self, app: &App, name: &str, fault: bool, about: &[(&str, Option<&str>)]) {
        if let Ok(daemon) = std::env::var(DAEMON)
            && let Some(document) = self.document(name, fault, app.now(), about)
            && let Ok(socket) = UdpSocket::bind("0.0.0.0:0")
        {
            let _ = socket.send_to(format!("{HEADER}{document}").as_bytes(), daemon);
        }
    }

    fn document(&self, name: &str, fault: bool, ended: DateTime<Utc>, about: &[(&str, Option<&str>)]) -> Option<Value> {
        let fields = self.header.as_deref()?.split(';').filter_map(|field| field.split_once('='));
        let (mut root, mut parent, mut sampled) = (None, None, false);
        for (name, value) in fields {
            match name {
                "Root" => root = Some(value),
                "Parent" => parent = Some(value),
                "Sampled" => sampled = value == "1",
                _ => {}
            }
        }
        let (root, parent) = (root.filter(|_| sampled)?, parent?);
        let id = sha256(format!("{parent} {name} {}", self.request).as_bytes());
        let seconds = |moment: DateTime<Utc>| moment.timestamp_micros() as f64 / 1e6;
        let about = [("request_id", Some(self.request.as_str()))].into_iter().chain(about.iter().copied());
        let annotations: Map<String, Value> =
            about.filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect();
        Some(json!({
            "id": id.get(..ID_DIGITS)?, "trace_id": root, "parent_id": parent, "type": "subsegment", "name": name,
            "start_time": seconds(self.started), "end_time": seconds(ended), "fault": fault,
            "annotations": annotations,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trace_that_is_kept_is_annotated_and_with_what_is_known() {
        let at = DateTime::from_timestamp_millis(1_486_000_000_500).unwrap();
        let document = |header: Option<&str>, about: &[(&str, Option<&str>)]| {
            let trace = Trace { header: header.map(str::to_owned), request: "r-1".to_owned(), started: at };
            trace.document("close", false, at, about)
        };
        let kept = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a:0";
        let told = document(Some(kept), &[("run", Some("v1-a")), ("shard", None)]).unwrap();
        assert_eq!(told["trace_id"], "1-5759e988-bd862e3fe1be46a994272793");
        assert_eq!(told["parent_id"], "53995c3f42cd8ad8");
        assert_eq!(told["annotations"], json!({ "request_id": "r-1", "run": "v1-a" }));
        assert_eq!(told["start_time"], 1_486_000_000.5);
        for trace in [None, Some(""), Some("Root=1-a;Parent=b;Sampled=0"), Some("Root=1-a;Sampled=1"), Some("Parent=b")]
        {
            assert_eq!(document(trace, &[]), None, "{trace:?}");
        }
    }
}
