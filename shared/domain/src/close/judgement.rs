//! What a person says of a close: a remark on what its checks warn of, and which of those that
//! fail are right as they are.

use crate::close::checks::CheckId;
use crate::units::limits::REASON_MAX;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Checks that may fail for a reason that only a person knows. What proves that figures tie is none of
/// them.
pub const ACCEPTABLE: [CheckId; 3] = [CheckId::MonthIgnored, CheckId::PointsUnvalued, CheckId::AboveFace];

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// Stands in the statement beside the warnings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// Reasons by check.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accept: BTreeMap<CheckId, String>,
}

/// What is wrong with what was said, and where: `remark`, `accept[0].check` or `accept[0].reason`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct NotAJudgement {
    pub field: String,
    pub rule: NotSaid,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSaid {
    #[error("must be 1 to {REASON_MAX} printable characters")]
    Text,
    #[error("{check:?} is not one of the checks that may be accepted: {}", names())]
    NotAcceptable { check: String },
    #[error("{check:?} is accepted already")]
    Twice { check: String },
}

fn names() -> String {
    ACCEPTABLE.map(CheckId::name).join("; ")
}

fn text(field: impl Into<String>, text: &str) -> Result<String, NotAJudgement> {
    let text = text.trim();
    let fits = (1..=REASON_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(NotAJudgement { field: field.into(), rule: NotSaid::Text }) }
}

impl Judgement {
    pub fn new<'a>(
        remark: Option<&str>,
        accept: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, NotAJudgement> {
        let remark = remark.map(|remark| text("remark", remark)).transpose()?;
        let mut accepted = BTreeMap::new();
        for (at, (name, reason)) in accept.into_iter().enumerate() {
            let wrong = |rule| NotAJudgement { field: format!("accept[{at}].check"), rule };
            let check = ACCEPTABLE.into_iter().find(|check| check.name() == name.trim());
            let check = check.ok_or_else(|| wrong(NotSaid::NotAcceptable { check: name.to_owned() }))?;
            if accepted.insert(check, text(format!("accept[{at}].reason"), reason)?).is_some() {
                return Err(wrong(NotSaid::Twice { check: name.to_owned() }));
            }
        }
        Ok(Self { remark, accept: accepted })
    }

    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_person_can_know_is_accepted_and_only_for_a_reason() {
        let name = CheckId::MonthIgnored.name();
        let judgement = Judgement::new(Some(" closed for a week "), [(name, "lockdown")]).unwrap();
        assert_eq!(judgement.remark.as_deref(), Some("closed for a week"));
        assert_eq!(judgement.accept, BTreeMap::from([(CheckId::MonthIgnored, "lockdown".to_owned())]));
        let text = serde_json::to_string(&judgement).unwrap();
        assert_eq!(serde_json::from_str::<Judgement>(&text).unwrap(), judgement);
        for check in [CheckId::LiabilityUntied.name(), "no such check"] {
            let found = Judgement::new(None, [(name, "lockdown"), (check, "because")]);
            let wrong = NotAJudgement {
                field: "accept[1].check".to_owned(),
                rule: NotSaid::NotAcceptable { check: check.to_owned() },
            };
            assert_eq!(found, Err(wrong));
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_no_check_is_accepted_for_two_reasons() {
        let name = CheckId::MonthIgnored.name();
        let wrong = |remark, accept: &[(&'static str, &'static str)]| {
            let found = Judgement::new(remark, accept.iter().copied()).unwrap_err();
            (found.field, found.rule)
        };
        let twice = NotSaid::Twice { check: name.to_owned() };
        for (found, field, rule) in [
            (wrong(Some("two\nlines"), &[]), "remark", NotSaid::Text),
            (wrong(Some(""), &[]), "remark", NotSaid::Text),
            (wrong(None, &[(name, " ")]), "accept[0].reason", NotSaid::Text),
            (wrong(None, &[(name, "lockdown"), (name, "opening")]), "accept[1].check", twice),
        ] {
            assert_eq!(found, (field.to_owned(), rule));
        }
    }
}
