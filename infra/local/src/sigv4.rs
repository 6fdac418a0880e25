//! Checks AWS Signature Version 4, for callers who sign as they will on AWS.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use chrono::{DateTime, NaiveDateTime, Utc};
use std::time::SystemTime;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: &str = "x-amz-date";
const CHECKSUM: &str = "x-amz-content-sha256";
/// As AWS has it.
const SKEW_MAX_SECONDS: i64 = 5 * 60;

/// What a signature says of itself.
struct Given<'a> {
    key: &'a str,
    region: &'a str,
    service: &'a str,
    headers: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Given<'a> {
    fn parse(authorization: &'a str) -> Option<Self> {
        let fields = authorization.strip_prefix(ALGORITHM)?.split(',').filter_map(|field| field.trim().split_once('='));
        let (mut credential, mut headers, mut signature) = (None, None, None);
        for (name, value) in fields {
            match name {
                "Credential" => credential = Some(value),
                "SignedHeaders" => headers = Some(value),
                "Signature" => signature = Some(value),
                _ => return None,
            }
        }
        let scope: Vec<&str> = credential?.split('/').collect();
        let [key, _, region, service, "aws4_request"] = scope[..] else { return None };
        Some(Self { key, region, service, headers: headers?.split(';').collect(), signature: signature? })
    }
}

/// The access key that signed a request, if the signature is right and fresh. Keys are
/// their own secrets: the gateway is for this machine.
pub fn signer(parts: &Parts, body: &[u8], now: DateTime<Utc>) -> Option<String> {
    let given = Given::parse(parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?)?;
    let date = parts.headers.get(DATE)?.to_str().ok()?;
    let signed_at = NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ").ok()?.and_utc();
    if (now - signed_at).num_seconds().abs() > SKEW_MAX_SECONDS || !given.headers.contains(&"host") {
        return None;
    }
    let expected = signature(&given, parts, body, signed_at.into())?;
    let same = aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_bytes(), given.signature.as_bytes());
    same.is_ok().then(|| given.key.to_owned())
}

/// The signature that the key would give the request.
fn signature(given: &Given<'_>, parts: &Parts, body: &[u8], time: SystemTime) -> Option<String> {
    let identity = Credentials::new(given.key, given.key, None, None, "local").into();
    let mut settings = SigningSettings::default();
    settings.excluded_headers = None;
    if given.headers.contains(&CHECKSUM) {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(given.region)
        .name(given.service)
        .time(time)
        .settings(settings)
        .build()
        .ok()?;
    let text = |name: &str| joined(&parts.headers, name);
    let own = given.headers.iter().filter(|name| !matches!(**name, DATE | CHECKSUM));
    let headers = own.map(|name| Some((*name, text(name)?))).collect::<Option<Vec<_>>>()?;
    let uri = format!("http://{}{}", text("host")?, parts.uri.path_and_query()?);
    let body = match text(CHECKSUM).as_deref() {
        Some("UNSIGNED-PAYLOAD") => SignableBody::UnsignedPayload,
        Some(_) | None => SignableBody::Bytes(body),
    };
    let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
    let request = SignableRequest::new(parts.method.as_str(), uri, headers, body).ok()?;
    Some(sign(request, &parameters.into()).ok()?.into_parts().1)
}

/// A header's values in one.
fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().map(|value| value.to_str().ok()).collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.join(","))
}
