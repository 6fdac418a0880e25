//! Annotates a trace with what it is about, so that it is found by a request's id or by a
//! run: one subsegment, sent to X-Ray's daemon where Lambda says that there is one.
//! <https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html>

use chrono::{DateTime, Utc};
use interline_reports::manifest::sha256;
use serde_json::{Map, Value, json};
use std::net::UdpSocket;

const DAEMON: &str = "AWS_XRAY_DAEMON_ADDRESS";
/// What the daemon wants before a document.
const HEADER: &str = "{\"format\":\"json\",\"version\":1}\n";
/// Hexadecimal digits of a segment's id.
const ID_DIGITS: usize = 16;

/// What was done within an invocation.
pub struct Done<'a> {
    /// The header of the invocation's trace; none where it is not traced.
    pub trace: Option<&'a str>,
    pub name: &'a str,
    pub request: &'a str,
    pub started: DateTime<Utc>,
    pub ended: DateTime<Utc>,
    /// Whether it failed for a fault of ours.
    pub fault: bool,
}

/// Whether it arrives is nobody's business: a trace is no record.
pub fn annotate(done: &Done<'_>, annotations: &[(&str, Option<&str>)]) {
    if let (Ok(daemon), Some(document)) = (std::env::var(DAEMON), document(done, annotations))
        && let Ok(socket) = UdpSocket::bind("0.0.0.0:0")
    {
        let _ = socket.send_to(format!("{HEADER}{document}").as_bytes(), daemon);
    }
}

fn document(done: &Done<'_>, annotations: &[(&str, Option<&str>)]) -> Option<Value> {
    let fields = done.trace?.split(';').filter_map(|field| field.split_once('='));
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
    let id = sha256(format!("{parent} {} {}", done.name, done.request).as_bytes());
    let seconds = |moment: DateTime<Utc>| moment.timestamp_micros() as f64 / 1e6;
    let told = annotations.iter().filter_map(|(name, value)| Some(((*name).to_owned(), json!((*value)?))));
    let annotations: Map<String, Value> = told.collect();
    Some(json!({
        "id": id.get(..ID_DIGITS)?, "trace_id": root, "parent_id": parent, "type": "subsegment", "name": done.name,
        "start_time": seconds(done.started), "end_time": seconds(done.ended), "fault": done.fault,
        "annotations": annotations,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trace_that_is_kept_is_annotated_and_with_what_is_known() {
        let at = DateTime::from_timestamp_millis(1_486_000_000_500).unwrap();
        let done = |trace| Done { trace, name: "close", request: "r-1", started: at, ended: at, fault: false };
        let kept = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a:0";
        let document = document(&done(Some(kept)), &[("run", Some("v1-a")), ("shard", None)]).unwrap();
        assert_eq!(document["trace_id"], "1-5759e988-bd862e3fe1be46a994272793");
        assert_eq!(document["parent_id"], "53995c3f42cd8ad8");
        assert_eq!(document["annotations"], json!({ "run": "v1-a" }));
        assert_eq!(document["start_time"], 1_486_000_000.5);
        for trace in [None, Some(""), Some("Root=1-a;Parent=b;Sampled=0"), Some("Root=1-a;Sampled=1"), Some("Parent=b")]
        {
            assert_eq!(super::document(&done(trace), &[]), None, "{trace:?}");
        }
    }
}
