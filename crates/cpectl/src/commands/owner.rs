//! `cpectl chown`: whose a deployment is.

use cpe_bus::Fields;
use cpe_bus::fields::put;

use crate::client::Client;
use crate::commands::administer::done;
use crate::failure::{Failure, of_change};
use crate::options::Chown;
use crate::output::Output;

/// Before the name of a user of this host, where it is one of several kinds of principals.
const USER: &str = "user:";

pub(crate) async fn run(
    client: &Client,
    arguments: &Chown,
    output: &Output,
) -> Result<(), Failure> {
    let owner = principal(&arguments.owner);
    let mut options = Fields::new();
    if let Some(group) = &arguments.group {
        put(&mut options, "group", if group == "-" { "" } else { group });
    }
    let deployment = client.deployment(&arguments.name).await?;
    let set = deployment.set_owner(&owner, options).await;
    set.map_err(of_change)?;
    let name = &arguments.name;
    let mut told = match owner.as_str() {
        "" => format!("{name} is nobody's"),
        owner => format!("{name} is {}'s", shown(owner)),
    };
    match arguments.group.as_deref() {
        None => {}
        Some("-") => told.push_str(", and no group's"),
        Some(group) => told.push_str(&format!(", and group {group} may give orders")),
    }
    done(output, &told)
}

fn principal(owner: &str) -> String {
    match owner {
        "-" => String::new(),
        kind if kind.contains(':') => kind.to_owned(),
        user => format!("{USER}{user}"),
    }
}

/// A principal for people: a user of this host needs no kind.
pub(crate) fn shown(principal: &str) -> &str {
    principal.strip_prefix(USER).unwrap_or(principal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_without_a_kind_is_a_user_of_this_host() {
        for (typed, meant) in [
            ("alice", "user:alice"),
            ("user:alice", "user:alice"),
            ("token:ci", "token:ci"),
            ("-", ""),
        ] {
            assert_eq!(principal(typed), meant);
        }
        assert_eq!(
            (shown("user:alice"), shown("token:ci")),
            ("alice", "token:ci")
        );
    }
}
