//! What `cpectl wait` waits for.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use crate::times;

#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// The deployment
    pub name: String,
    /// What is waited for: active, settled, or service=NAME:STATE with STATE one of started,
    /// promoted, stopped
    ///
    /// active: everything runs that should, with the document that is stored, and nothing is being
    /// done. settled: nothing is being decided or done, whatever the state. service: as many
    /// instances of it as are wanted are in that state (stopped: all are); NAME may be a group, a
    /// clone, or one instance (web:0).
    #[arg(long = "for", value_name = "CONDITION", default_value = "active")]
    pub condition: Condition,
    /// Longest wait (such as 90s, 5m, 1h30m)
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = times::duration)]
    pub timeout: Duration,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    Active,
    Settled,
    Service(String, Role),
}

/// What a service is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Started,
    Promoted,
    Stopped,
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let service = || {
            let (name, role) = text.strip_prefix("service=")?.rsplit_once(':')?;
            let role = match role {
                "started" => Role::Started,
                "promoted" => Role::Promoted,
                "stopped" => Role::Stopped,
                _ => return None,
            };
            (!name.is_empty()).then(|| Condition::Service(name.to_owned(), role))
        };
        match text {
            "active" => Ok(Condition::Active),
            "settled" => Ok(Condition::Settled),
            _ => service().ok_or_else(|| {
                "expected active, settled, or service=NAME:STATE with STATE one of started, promoted, stopped"
                    .to_owned()
            }),
        }
    }
}

impl Condition {
    /// That it does not hold of a deployment.
    pub(crate) fn of(&self, name: &str) -> String {
        match self {
            Condition::Active => format!("deployment {name} is not active"),
            Condition::Settled => format!("deployment {name} is not settled"),
            Condition::Service(service, role) => {
                let role = match role {
                    Role::Started => "started",
                    Role::Promoted => "promoted",
                    Role::Stopped => "stopped",
                };
                format!("service {service} of {name} is not {role}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_and_others_refused() {
        let read = |text: &str| text.parse::<Condition>();
        assert_eq!(read("active"), Ok(Condition::Active));
        let service = Condition::Service("web:0".into(), Role::Promoted);
        assert_eq!(read("service=web:0:promoted"), Ok(service));
        for bad in [
            "",
            "Active",
            "service=",
            "service=db",
            "service=:started",
            "service=db:running",
            "db:started",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
