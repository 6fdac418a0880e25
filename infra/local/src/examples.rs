//! Examples under the help of each command: one at least for every argument.

use crate::arguments::Arguments;
use clap::{Command, CommandFactory};

/// A command, and what somebody may type after `cargo interline`.
const EXAMPLES: [(&[&str], &[&str]); 24] = [
    (&["demo"], &["demo", "demo --data-dir trial --rulebook my.toml"]),
    (&["status"], &["status", "status --json --aws"]),
    (&["doctor"], &["doctor", "doctor --data-dir trial"]),
    (&["export"], &["export 2017-01", "export 2017-01 --out january.csv"]),
    (&["completions"], &["completions bash > interline.bash"]),
    (&["manual"], &["manual | man -l -"]),
    (
        &["import"],
        &["import january.csv february.csv.gz", "export 2017-01 | cargo interline --data-dir copy import --strict -"],
    ),
    (
        &["close"],
        &[
            "close 2017-01 --trial",
            "close 2017-01 --sign key.pem",
            "close 2017-02 --empty",
            "close 2017-02 --remark 'new till'",
            "close 2017-03 --accept 'month with so few redemptions that it teaches nothing=opening month'",
        ],
    ),
    (&["reports"], &["reports 2017-01", "reports 2017-01 --out reports", "reports 2017-01 --open"]),
    (
        &["details"],
        &[
            "details 2017-01 --funder drugstore --redeemer grocery",
            "details 2017-01 --funder drugstore --redeemer grocery --out slices.csv",
        ],
    ),
    (&["payments"], &["payments list 2017-01", "payments confirm 2017-01"]),
    (&["payments", "list"], &["payments list 2017-01", "payments list 2017-01 --json"]),
    (
        &["payments", "confirm"],
        &["payments confirm 2017-01 --paid-on 2017-02-14", "payments confirm 2017-01 statement.xml"],
    ),
    (&["liability"], &["liability 2017-01"]),
    (&["verify"], &["verify 2017-01", "verify 2017-01 --public-key key.pub.pem"]),
    (&["member"], &["member m1", "member m1 --on 2017-01-31"]),
    (&["accounts"], &["accounts check", "accounts rebuild --dry-run"]),
    (&["accounts", "check"], &["accounts check", "accounts check --json --aws"]),
    (&["accounts", "rebuild"], &["accounts rebuild --dry-run", "accounts rebuild"]),
    (
        &["serve"],
        &[
            "serve --now 2017-02-01T09:00:00+08:00",
            "serve --port 8081 --s3-port 9000",
            "serve --host 0.0.0.0 --rulebook my.toml",
        ],
    ),
    (&["rulebook"], &["rulebook check my.toml", "rulebook history"]),
    (&["rulebook", "check"], &["rulebook check my.toml"]),
    (&["rulebook", "explain"], &["rulebook explain my.toml --line grocery --amount 268.00 --on 2017-03-06 --at 18:30"]),
    (
        &["rulebook", "publish"],
        &[
            "rulebook publish my.toml",
            "rulebook publish my.toml --retroactive 'price agreed on 5 January'",
            "rulebook publish my.toml --aws --yes",
        ],
    ),
];

/// The program's arguments, with examples in their help.
pub fn command() -> Command {
    EXAMPLES.iter().fold(Arguments::command(), |command, (path, examples)| {
        let lines: Vec<String> = examples.iter().map(|example| format!("  cargo interline {example}")).collect();
        with_help(command, path, &format!("Examples:\n{}", lines.join("\n")))
    })
}

fn with_help(command: Command, path: &[&str], help: &str) -> Command {
    match path.split_first() {
        None => command.after_help(help.to_owned()),
        Some((name, rest)) => command.mut_subcommand(*name, |inner| with_help(inner, rest, help)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn check(command: &Command, path: &[&str]) {
        let own: Vec<&str> =
            EXAMPLES.iter().filter(|(of, _)| *of == path).flat_map(|(_, of)| of.iter().copied()).collect();
        for argument in command.get_arguments().filter(|argument| !argument.is_global_set()) {
            if let Some(long) = argument.get_long().filter(|long| !matches!(*long, "help" | "version")) {
                let shown = own.iter().any(|example| example.contains(&format!("--{long}")));
                assert!(shown, "{path:?} has no example of --{long}");
            }
        }
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            let path = [path, &[inner.get_name()]].concat();
            let alone = inner.get_arguments().all(clap::Arg::is_global_set) && path.len() > 1;
            assert!(alone || EXAMPLES.iter().any(|(of, _)| *of == path), "{path:?} has no example");
            check(inner, &path);
        }
    }

    #[test]
    fn every_argument_has_an_example_and_every_example_is_one() {
        check(&Arguments::command(), &[]);
        for (_, examples) in EXAMPLES {
            for example in examples {
                let line = example.split_once('|').map_or(*example, |(first, _)| first);
                let line = line.split_once(" >").map_or(line, |(first, _)| first);
                // What stands between quotation marks is one word.
                let quoted = |(at, text): (usize, &str)| if at % 2 == 1 { "why".to_owned() } else { text.to_owned() };
                let line: String = line.split('\'').enumerate().map(quoted).collect();
                let words = ["interline"].into_iter().chain(line.split_whitespace());
                assert!(Arguments::try_parse_from(words).is_ok(), "{example}");
            }
        }
    }
}
