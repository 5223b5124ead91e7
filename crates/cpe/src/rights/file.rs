//! The format of `/etc/cpe/access.toml`. Everything that is not known or cannot be meant is refused
//! with its line: what is misread would open rights.

use serde::Deserialize;

use super::{Grant, Pattern, Policy, Role, Source, Strangers, is_principal};

/// Most grants: each call is held against all of them.
const MOST_GRANTS: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    strangers: Strangers,
    #[serde(default)]
    delegates: Vec<Delegate>,
    #[serde(default, rename = "grant")]
    grants: Vec<Grant>,
}

/// A grant as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGrant {
    principal: OneOrMany,
    role: Role,
    deployments: Option<Vec<Pattern>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a principal, or a list of principals")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// A user who may speak for others.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Delegate(String);

impl TryFrom<String> for Delegate {
    type Error = String;

    fn try_from(user: String) -> Result<Delegate, String> {
        match user.as_str() {
            "" | "root" | "0" => Err(format!(
                "`{user}` cannot be a delegate: expected the name of a user who is not root, such as \"cpe-gateway\""
            )),
            name if name.contains(':') => Err(format!(
                "`{name}` is no user: delegates are written without `user:`"
            )),
            _ => Ok(Delegate(user)),
        }
    }
}

impl TryFrom<RawGrant> for Grant {
    type Error = String;

    fn try_from(raw: RawGrant) -> Result<Grant, String> {
        let principals = match raw.principal {
            OneOrMany::One(principal) => vec![principal],
            OneOrMany::Many(principals) => principals,
        };
        if principals.is_empty() {
            return Err("`principal` is empty: say who gets the role".into());
        }
        if let Some(wrong) = principals.iter().find(|principal| !is_principal(principal)) {
            return Err(format!(
                "`{wrong}` is no principal: expected user:NAME, group:NAME, token:ID, or cert: and the name in a certificate"
            ));
        }
        let deployments = match (raw.role, raw.deployments) {
            (Role::Admin, None) => vec![Pattern::all()],
            (Role::Admin, Some(patterns)) if !patterns.iter().any(Pattern::is_all) => {
                return Err(
                    "an admin administers all deployments: leave `deployments` out, or use role \"owner\""
                        .into(),
                );
            }
            (_, Some(patterns)) if !patterns.is_empty() => patterns,
            _ => {
                return Err(
                    "`deployments` is missing or empty: say of which, [\"*\"] for all".into(),
                );
            }
        };
        Ok(Grant {
            principals,
            role: raw.role,
            deployments,
        })
    }
}

impl<'de> Deserialize<'de> for Grant {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Grant, D::Error> {
        let raw = RawGrant::deserialize(deserializer)?;
        Grant::try_from(raw).map_err(serde::de::Error::custom)
    }
}

/// Reads the file's text; `group` and `recorders` are those of `cpe.toml`.
///
/// # Errors
/// A text with line and column of what is wrong.
pub(crate) fn parse(text: &str, group: &str, recorders: &str) -> Result<Policy, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    if file.grants.len() > MOST_GRANTS {
        return Err(format!(
            "it has {} grants, at most {MOST_GRANTS} are taken; use groups and patterns",
            file.grants.len()
        ));
    }
    Ok(Policy {
        source: Source::File,
        strangers: file.strangers,
        delegates: file.delegates.into_iter().map(|user| user.0).collect(),
        grants: file.grants,
        ..Policy::without_file(group, recorders)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(text, "cpe", "dpe").unwrap_err()
    }

    #[test]
    fn the_documentation_and_so_its_man_page_has_every_key() {
        let page = include_str!("../../../../docs/operations.md");
        let (_, page) = page.split_once("## Who may do what").unwrap();
        let page = page.split("\n## ").next().unwrap();
        for text in ["no_such_key = 1", "[[grant]]\nno_such_key = 1"] {
            let error = toml::from_str::<File>(text).unwrap_err();
            let (_, list) = error.message().split_once("expected ").unwrap();
            for key in list.split('`').skip(1).step_by(2) {
                assert!(page.contains(key), "nothing tells of `{key}`");
            }
            assert!(list.matches('`').count() >= 6, "{list}");
        }
    }

    #[test]
    fn the_example_says_what_the_documentation_says() {
        let text = include_str!("../../../../examples/access.toml");
        let policy = parse(text, "cpe", "dpe").unwrap();
        assert_eq!(policy.strangers, Strangers::Hidden);
        assert!(policy.delegates.contains("cpe-gateway"));
        let roles: Vec<Role> = policy.grants.iter().map(|grant| grant.role).collect();
        assert_eq!(
            roles,
            [Role::Owner, Role::Operator, Role::Viewer, Role::Admin]
        );
    }

    #[test]
    fn an_empty_file_grants_nothing_and_one_principal_needs_no_list() {
        let policy = parse("", "cpe", "dpe").unwrap();
        assert_eq!((policy.source, policy.grants.len()), (Source::File, 0));
        let text = "[[grant]]\nprincipal = \"user:alice\"\nrole = \"admin\"\n";
        let policy = parse(text, "cpe", "dpe").unwrap();
        assert_eq!(policy.grants[0].principals, ["user:alice"]);
        assert!(policy.grants[0].deployments[0].is_all());
    }

    #[test]
    fn what_is_wrong_is_refused_with_its_line() {
        let grant = |rest: &str| format!("\n[[grant]]\n{rest}");
        for (text, line, part) in [
            ("strangers = \"all\"\n".to_owned(), 1, "hidden"),
            ("\ndelegate = []\n".to_owned(), 2, "delegate"),
            ("delegates = [\"root\"]\n".to_owned(), 1, "not root"),
            ("delegates = [\"user:x\"]\n".to_owned(), 1, "without"),
            (
                grant("principal = [\"alice\"]\nrole = \"owner\"\ndeployments = [\"*\"]\n"),
                2,
                "no principal",
            ),
            (
                grant("principal = [\"user:a\"]\nrole = \"boss\"\ndeployments = [\"*\"]\n"),
                4,
                "boss",
            ),
            (
                grant("principal = [\"user:a\"]\nrole = \"owner\"\n"),
                2,
                "`deployments`",
            ),
            (
                grant("principal = [\"user:a\"]\nrole = \"owner\"\ndeployments = []\n"),
                2,
                "`deployments`",
            ),
            (
                grant("principal = [\"user:a\"]\nrole = \"owner\"\ndeployments = [\"A\"]\n"),
                5,
                "no deployment",
            ),
            (grant("principal = []\nrole = \"admin\"\n"), 2, "empty"),
            (
                grant("principal = [\"user:a\"]\nrole = \"admin\"\ndeployments = [\"a\"]\n"),
                2,
                "all deployments",
            ),
            (
                grant("principal = [\"user:a\"]\nrole = \"owner\"\ndeployment = [\"*\"]\n"),
                5,
                "deployment",
            ),
            ("[[grant]\n".to_owned(), 1, "expected"),
        ] {
            let error = refusal(&text);
            assert!(error.contains(&format!("line {line},")), "{text}: {error}");
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
