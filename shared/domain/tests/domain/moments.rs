//! Times as callers write them.

use chrono::SecondsFormat;
use interline_domain::units::moment::parse_occurred_at;

#[test]
fn a_time_is_taken_as_it_was_meant_to_the_nanosecond() {
    for (text, in_utc) in [
        ("2017-01-31T18:05:09+08:00", "2017-01-31T10:05:09Z"),
        ("2017-01-31T18:05:09Z", "2017-01-31T18:05:09Z"),
        ("2017-01-31t18:05:09z", "2017-01-31T18:05:09Z"),
        ("2017-01-31T18:05:09.5-00:30", "2017-01-31T18:35:09.500Z"),
        ("2017-01-31T18:05:09.123456789Z", "2017-01-31T18:05:09.123456789Z"),
        ("2017-01-31T18:05:09.000000001Z", "2017-01-31T18:05:09.000000001Z"),
        ("1970-01-01T00:00:00+14:00", "1969-12-31T10:00:00Z"),
        ("2199-12-31T23:59:59-23:59", "2200-01-01T23:58:59Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
    ] {
        let taken = parse_occurred_at(text).unwrap().to_utc();
        assert_eq!(taken.to_rfc3339_opts(SecondsFormat::AutoSi, true), in_utc, "{text}");
    }
}

#[test]
fn a_time_that_could_be_meant_otherwise_is_refused_by_its_rule() {
    for (text, code) in [
        ("", "not-a-time"),
        ("2017-01-31", "not-a-time"),
        ("2017-01-31 18:05:09Z", "not-a-time"),
        ("2017-1-31T18:05:09Z", "not-a-time"),
        ("2017-01-31T18:05Z", "not-a-time"),
        ("2017-01-31T18:05:09.Z", "not-a-time"),
        ("x017-01-31T18:05:09Z", "not-a-time"),
        ("2017-02-29T18:05:09Z", "no-such-day"),
        ("2017-13-01T18:05:09Z", "no-such-day"),
        ("2017-01-31T24:00:00Z", "no-such-time"),
        ("2017-01-31T18:60:00Z", "no-such-time"),
        ("2016-12-31T23:59:60Z", "leap-second"),
        ("2017-01-31T18:05:09.1234567890Z", "too-precise"),
        ("2017-01-31T18:05:09", "no-offset"),
        ("2017-01-31T18:05:09.5", "no-offset"),
        ("2017-01-31T18:05:09+8:00", "bad-offset"),
        ("2017-01-31T18:05:09+0800", "bad-offset"),
        ("2017-01-31T18:05:09+08:60", "bad-offset"),
        ("2017-01-31T18:05:09+24:00", "bad-offset"),
        ("2017-01-31T18:05:09+08:00 ", "bad-offset"),
    ] {
        assert_eq!(parse_occurred_at(text).unwrap_err().code, code, "{text:?}");
    }
}
