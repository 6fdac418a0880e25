//! Who calls: an IAM role, as API Gateway found it. Nothing in a body counts.

use interline_domain::units::id::LineId;
use std::fmt;

/// A caller, and the person or machine that took its role on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub caller: Caller,
    /// The name of the session.
    pub person: String,
}

/// What a caller's role lets it be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    Line(LineId),
    Finance,
    /// The service behind the members' app.
    Members,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Caller::Line(line) => write!(f, "line {line}"),
            Caller::Finance => f.write_str("finance"),
            Caller::Members => f.write_str("members"),
        }
    }
}

/// The session of a role, or a user's name: what comes last in an ARN, and in the
/// principal of an event.
pub fn person_of(principal: &str) -> Option<String> {
    principal.rsplit(['/', ':']).next().filter(|name| !name.is_empty()).map(str::to_owned)
}

impl Identity {
    /// Reads role and session out of a principal's ARN, in any partition:
    /// `arn:aws-cn:sts::123456789012:assumed-role/<prefix>-line-grocery/session`.
    /// The role must belong to the account that runs the API.
    pub fn from_arn(arn: &str, account: &str, prefix: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let scheme = parts.next()?;
        let partition = parts.next()?;
        let service = parts.next()?;
        let region = parts.next()?;
        let (owner, resource) = (parts.next()?, parts.next()?);
        if scheme != "arn" || !partition.starts_with("aws") || !region.is_empty() || owner != account {
            return None;
        }
        let (role, person) = match (service, resource.split_once('/')?) {
            ("sts", ("assumed-role", rest)) => rest.split_once('/')?,
            _ => return None,
        };
        let name = role.strip_prefix(prefix)?.strip_prefix('-')?;
        let caller = match name {
            "finance" => Caller::Finance,
            "members" => Caller::Members,
            other => Caller::Line(LineId::parse(other.strip_prefix("line-")?).ok()?),
        };
        Some(Self { caller, person: person.to_owned() })
    }
}

impl Caller {
    /// The ARN by which this caller would be known; for the local gateway.
    pub fn arn(&self, account: &str, prefix: &str) -> String {
        let role = match self {
            Caller::Line(line) => format!("line-{line}"),
            Caller::Finance => "finance".to_owned(),
            Caller::Members => "members".to_owned(),
        };
        format!("arn:aws:sts::{account}:assumed-role/{prefix}-{role}/local")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_read_from_the_arn_in_every_partition_and_nothing_else_is() {
        let account = "123456789012";
        let identity = |arn: &str| Identity::from_arn(arn, account, "interline");
        let caller = |arn: &str| identity(arn).map(|identity| identity.caller);
        let line = |name: &str| Some(Caller::Line(LineId::parse(name).unwrap()));
        for (arn, expected) in [
            ("arn:aws:sts::123456789012:assumed-role/interline-line-grocery/pos-7", line("grocery")),
            ("arn:aws-cn:sts::123456789012:assumed-role/interline-line-HT/x", line("HT")),
            ("arn:aws:sts::123456789012:assumed-role/interline-finance/anna", Some(Caller::Finance)),
            ("arn:aws:sts::123456789012:assumed-role/interline-members/app", Some(Caller::Members)),
            ("arn:aws:sts::999999999999:assumed-role/interline-finance/anna", None),
            ("arn:aws:sts::123456789012:assumed-role/other-finance/anna", None),
            ("arn:aws:sts::123456789012:assumed-role/interline-finance", None),
            ("arn:aws:sts::123456789012:assumed-role/interline-line-/x", None),
            ("arn:aws:sts::123456789012:assumed-role/interline-line-a b/x", None),
            ("arn:aws:sts::123456789012:federated-user/interline-finance/x", None),
            ("arn:aws:iam::123456789012:user/interline-finance/x", None),
            ("arn:evil:sts::123456789012:assumed-role/interline-finance/x", None),
            ("", None),
        ] {
            assert_eq!(caller(arn), expected, "{arn}");
        }
        assert_eq!(caller(&Caller::Finance.arn(account, "interline")), Some(Caller::Finance));
        let anna = identity("arn:aws:sts::123456789012:assumed-role/interline-finance/anna");
        assert_eq!(anna.unwrap().person, "anna");
    }
}
