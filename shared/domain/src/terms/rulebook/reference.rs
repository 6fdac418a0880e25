//! The reference of the rulebook, made from what the program reads.

use super::read::{Field, Share, Table};
use super::{SECTIONS, accounts, lines, programme, schemes};
use std::fmt::Write;

/// Every table of a rulebook with its fields, in Markdown.
pub fn reference() -> String {
    let mut text = String::new();
    let mut table = |name: &str, about: &str, fields: &[Field]| {
        let _ = write!(text, "## `{name}`\n\n{about}\n\n| field | left out | meaning |\n|---|---|---|\n");
        for field in fields {
            let _ = writeln!(text, "| `{}` | {} | {} |", field.name, left_out(field), about_of(field));
        }
        text.push('\n');
    };
    table("[programme]", "What counts for the programme as a whole.", programme::ProgrammeFile::FIELDS);
    table("[[lines]]", "The business lines that take part, and the platform.", lines::LineFile::FIELDS);
    table(&format!("[[{}]]", schemes::NAME), schemes::ABOUT, schemes::SchemeFile::FIELDS);
    let funders = "Who bears the cost of a scheme's claims, by the month of their issue.";
    table("[[schemes.funders]]", funders, schemes::FundersFile::FIELDS);
    table("{ to, share, cap }", "What one line bears of a scheme.", schemes::FunderFile::FIELDS);
    for (name, about, fields) in SECTIONS {
        table(&format!("[[{name}]]"), about, fields);
    }
    table("[accounts.…]", &chart(), accounts::AccountFile::FIELDS);
    table("{ to, share }", "A part of a split or of sponsors.", Share::FIELDS);
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// What the accounts are where a rulebook says nothing else.
fn chart() -> String {
    let mut text = "Other codes and names in the chart of accounts, by what an account is for. Without them:\n\n\
                    | account | code | name |\n|---|---|---|\n"
        .to_owned();
    let chart = accounts::Accounts::default();
    for role in accounts::Account::ALL {
        let account = chart.of(*role);
        let _ = writeln!(text, "| `{}` | {} | {} |", role.word(), account.code, account.full_name());
    }
    text.truncate(text.trim_end().len());
    text
}

fn about_of(field: &Field) -> String {
    field.about.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a field is where it is not given.
fn left_out(field: &Field) -> String {
    let default = (field.default)();
    let word = default.trim_start_matches("Always(").trim_end_matches(')');
    match field.how {
        "required" | "some_tables" => "must be given".to_owned(),
        _ if matches!(word, "" | "None" | "\"\"" | "[]" | "{}") => "none".to_owned(),
        _ if word.starts_with(|first: char| first.is_ascii_uppercase()) => format!("`\"{}\"`", kebab(word)),
        _ => format!("`{word}`"),
    }
}

/// `CatchUp` as it stands in a file.
fn kebab(name: &str) -> String {
    let mut word = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_reference_is_what_the_program_reads() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/terms/rulebook/REFERENCE.md");
        let reference = super::reference();
        if std::env::var_os("INTERLINE_WRITE_REFERENCE").is_some() {
            std::fs::write(path, &reference).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap();
        assert_eq!(
            written, reference,
            "INTERLINE_WRITE_REFERENCE=1 cargo test -p interline-domain reference writes it"
        );
    }
}
