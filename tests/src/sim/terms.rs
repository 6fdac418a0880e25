//! The terms of the simulated programme, and the auditor's own tables of them.

use chrono::NaiveDate;

pub const PLATFORM: &str = "group";
pub const LINES: [&str; 4] = ["mall", "hotel", "dining", "park"];
/// Hours after the end of a month before it may be sealed.
pub const SEAL_AFTER_HOURS: i64 = 1;
pub const SALT: &str = "simulation";
/// Months after a lot's last day in which a refund can tell what was spent of it.
pub const REFUND_MONTHS: u32 = 12;

fn day(text: &str) -> NaiveDate {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap()
}

/// From this day on the second edition has other prices and shares.
pub const CHANGE: &str = "2017-02-16";

/// A point's price in hundred-millionths of a yuan.
pub fn price(funder: &str, redeemer: &str, on: NaiveDate) -> i128 {
    match (redeemer, funder) {
        ("mall", _) if on >= day(CHANGE) => 880_000,
        ("mall", _) => 900_000,
        ("hotel", "dining") => 640_000,
        ("hotel", _) => 700_000,
        ("dining", _) => 733_333,
        _ => 850_000,
    }
}

/// What a line issues for a sale in minor units: funder and points.
pub fn issued(line: &str, amount: i64) -> Vec<(&'static str, i64)> {
    let own = match line {
        "mall" => amount / 100,
        "hotel" => amount * 2 / 100,
        "dining" => amount * 3 / 100,
        "park" => amount / 200,
        _ => 0,
    };
    let mut issued = match line {
        // One and a half times, the half paid by the group.
        "hotel" => vec![("hotel", own), (PLATFORM, amount * 3 / 100 - own)],
        "mall" => vec![("mall", own)],
        "dining" => vec![("dining", own)],
        "park" => vec![("park", own)],
        _ => Vec::new(),
    };
    issued.retain(|(_, points)| *points > 0);
    issued
}

/// Months that points of a line can be spent after the month of issue.
pub fn months_valid(funder: &str) -> u32 {
    if funder == "park" { 1 } else { 12 }
}

fn dated(table: &str, line: (&str, &str), rules: &[(&str, Option<&str>, String)]) -> String {
    let rule = |(from, to, rest): &(&str, Option<&str>, String)| {
        let to = to.map(|to| format!("to = \"{to}\"\n")).unwrap_or_default();
        let (name, id) = line;
        let line = if id.is_empty() { String::new() } else { format!("{name} = \"{id}\"\n") };
        format!("[[{table}]]\n{line}from = \"{from}\"\n{to}{rest}\n\n")
    };
    rules.iter().map(rule).collect()
}

/// The rulebook in its first or second edition.
pub fn rulebook(second: bool) -> String {
    let mut text = format!(
        "[programme]\nname = \"Simulation\"\ncurrency = \"CNY\"\ntime_zone = \"Asia/Shanghai\"\n\
         first_period = \"2017-01\"\nplatform = \"{PLATFORM}\"\nnetting = \"hub\"\n\
         seal_after_hours = {SEAL_AFTER_HOURS}\npseudonym_salt = \"{SALT}\"\n\n"
    );
    for line in [PLATFORM].into_iter().chain(LINES) {
        text +=
            &format!("[[lines]]\nid = \"{line}\"\nname = \"{line}\"\nname_zh = \"{line}\"\nbank_account = \"1\"\n\n");
    }
    let start = "2017-01-01";
    let sponsored = "points_per_unit = \"2\"\nmultiplier = \"1.5\"\nsponsors = [{ to = \"group\", share = \"1\" }]";
    for (line, rule) in [
        ("mall", "points_per_unit = \"1\""),
        ("hotel", sponsored),
        ("dining", "points_per_unit = \"3\""),
        ("park", "points_per_unit = \"0.5\""),
        ("group", "points_per_unit = \"0\""),
    ] {
        text += &dated("earn", ("line", line), &[(start, None, rule.to_owned())]);
    }
    for (line, rule) in [
        ("mall", "value = \"0.01\""),
        ("hotel", "value = \"0.01\"\nmax_per_day = 400"),
        ("dining", "value = \"0.01\"\nstep = 5"),
        ("park", "value = \"0.01\"\nminimum = 10"),
    ] {
        text += &dated("burn", ("line", line), &[(start, None, rule.to_owned())]);
    }
    let rate = |price: i128| format!("price = \"0.{price:08}\"");
    for redeemer in LINES.into_iter().chain([PLATFORM]) {
        let before = rate(price("mall", redeemer, day(start)));
        let after = rate(price("mall", redeemer, day(CHANGE)));
        let rules = match second && before != after {
            true => vec![(start, Some("2017-02-15"), before), (CHANGE, None, after)],
            false => vec![(start, None, before)],
        };
        text += &dated("prices", ("redeemer", redeemer), &rules);
    }
    let special = format!("funder = \"dining\"\n{}", rate(price("dining", "hotel", day(start))));
    text += &dated("prices", ("redeemer", "hotel"), &[(start, None, special)]);
    let shares = |name: &str, of_redeemer: &str, of_group: &str| {
        format!(
            "rule = \"{name}\"\nshares = [{{ to = \"redeemer\", share = \"{of_redeemer}\" }}, \
             {{ to = \"group\", share = \"{of_group}\" }}]"
        )
    };
    let splits = match second {
        true => vec![
            (start, Some("2017-02-15"), shares("standard", "0.97", "0.03")),
            (CHANGE, None, shares("spring", "0.955", "0.045")),
        ],
        false => vec![(start, None, shares("standard", "0.97", "0.03"))],
    };
    text += &dated("splits", ("", ""), &splits);
    text += &dated("expiry", ("", ""), &[(start, None, "months = 12".to_owned())]);
    text += &dated("expiry", ("funder", "park"), &[(start, None, format!("months = {}", months_valid("park")))]);
    let liability =
        "face_value = \"0.01\"\ninitial_urr = \"1\"\nmethod = \"catch-up\"\nvat_rate = \"0\"\ntax_inclusive = true";
    text += &dated("liability", ("", ""), &[(start, None, liability.to_owned())]);
    text
}

/// The part of a pair's amount that goes to the platform, in thousandths.
pub fn platform_share(rule: &str) -> i128 {
    match rule {
        "standard" => 30,
        "spring" => 45,
        _ => 0,
    }
}
