use crate::CliError;
use crate::arguments::RulebookCommand;
use crate::output::Output;
use crate::world::read;
use interline_domain::rulebook::Rulebook;
use serde_json::json;

pub fn rulebook(command: &RulebookCommand, output: &Output) -> Result<bool, CliError> {
    let RulebookCommand::Check { file } = command;
    match Rulebook::parse(&read(file)?) {
        Ok(rulebook) => {
            output.line(format!(
                "{}: valid. {} with {} lines, in {} from {}, hash {}",
                file.display(),
                rulebook.name,
                rulebook.lines.len(),
                rulebook.currency,
                rulebook.first_period,
                rulebook.hash
            ));
            output.document(&json!({ "valid": true, "hash": rulebook.hash, "errors": [] }));
            Ok(true)
        }
        Err(errors) => {
            for error in &errors.0 {
                output.line(format!("{}: {error}", file.display()));
            }
            let errors: Vec<_> = errors
                .0
                .iter()
                .map(|error| json!({ "line": error.line, "field": error.field, "rule": error.rule }))
                .collect();
            output.document(&json!({ "valid": false, "errors": errors }));
            Ok(false)
        }
    }
}
