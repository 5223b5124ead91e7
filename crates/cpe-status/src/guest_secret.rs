//! Values of parameters that are not in documents: a guest has them, and reads them when it runs an
//! operation.
//!
//! In their place stands a reference, in documents, in what the policy engine is asked, in messages
//! and in records. So a changed value is no changed parameter.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Capability of an agent that reads values which only its guest has, and keeps secrets out of what
/// it tells. To others a reference is a value like any other.
pub const GUEST_SECRETS: &str = "guest-secrets";

/// Annotation of an operation: the names of its parameters whose values nothing may tell, with
/// blanks around each.
pub const SECRET_NAMES: &str = "secret";

/// Longest value of a parameter that a guest reads, in bytes.
pub const MAX_GUEST_SECRET: usize = 64 * 1024;

/// Before the path of a file of the guest.
const FILE: &str = "cpe-guest-file:";
/// Before the name of a credential that the guest's service manager has.
const CREDENTIAL: &str = "cpe-guest-credential:";
/// Longest path of a file, in bytes.
const MAX_PATH: usize = 1024;
/// Longest name of a credential, in bytes.
const MAX_NAME: usize = 128;

/// Where a guest has a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuestSecret {
    /// In the file of this path.
    File(String),
    /// In the credential of this name, which the agent's unit or the machine was given.
    Credential(String),
}

impl GuestSecret {
    /// Reads the value that stands for it; `None`: it is a value like any other.
    pub fn of_value(value: &str) -> Option<GuestSecret> {
        let file = value.strip_prefix(FILE);
        let file = file.map(|path| GuestSecret::File(path.to_owned()));
        let credential = || {
            let name = value.strip_prefix(CREDENTIAL)?;
            Some(GuestSecret::Credential(name.to_owned()))
        };
        file.or_else(credential)
    }

    /// The value that stands for it.
    pub fn to_value(&self) -> String {
        match self {
            GuestSecret::File(path) => format!("{FILE}{path}"),
            GuestSecret::Credential(name) => format!("{CREDENTIAL}{name}"),
        }
    }

    /// Whether a guest may be asked for it.
    ///
    /// # Errors
    /// What would be right.
    pub fn check(&self) -> Result<(), String> {
        match self {
            GuestSecret::File(path) => {
                let parts = path.strip_prefix('/').map(|rest| rest.split('/'));
                let mut parts = parts.into_iter().flatten().peekable();
                let plain = parts.peek().is_some()
                    && parts.all(|part| !matches!(part, "" | "." | ".."))
                    && path.len() <= MAX_PATH
                    && !path.contains(char::is_control);
                let expected = "expected the absolute path of a file in the guest, such as '/etc/app/password'";
                plain.then_some(()).ok_or_else(|| expected.to_owned())
            }
            GuestSecret::Credential(name) => {
                let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
                let plain = (1..=MAX_NAME).contains(&name.len())
                    && !name.starts_with('.')
                    && name.chars().all(valid);
                plain.then_some(()).ok_or_else(|| {
                    format!(
                        "expected the name of a credential: 1 to {MAX_NAME} of A-Z, a-z, 0-9, '.', '_' and '-'"
                    )
                })
            }
        }
    }
}

/// For people: where it is, never what it is.
impl fmt::Display for GuestSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GuestSecret::File(path) => f.write_str(path),
            GuestSecret::Credential(name) => write!(f, "credential {name}"),
        }
    }
}

/// Adds parameters to those that [`SECRET_NAMES`] names.
pub fn name_secrets<'n>(
    annotations: &mut BTreeMap<String, String>,
    names: impl Iterator<Item = &'n str>,
) {
    let former = annotations.remove(SECRET_NAMES).unwrap_or_default();
    let former = former.split_ascii_whitespace().map(str::to_owned);
    let all: BTreeSet<String> = former.chain(names.map(str::to_owned)).collect();
    if !all.is_empty() {
        let all = Vec::from_iter(all);
        annotations.insert(SECRET_NAMES.to_owned(), format!(" {} ", all.join(" ")));
    }
}

/// Whether the text of [`SECRET_NAMES`] names a parameter.
pub fn names_secret(annotation: &str, parameter: &str) -> bool {
    annotation.split(' ').any(|name| name == parameter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_as_it_is_written() {
        for secret in [
            GuestSecret::File("/etc/app/password".into()),
            GuestSecret::Credential("db.password".into()),
        ] {
            assert_eq!(
                GuestSecret::of_value(&secret.to_value()),
                Some(secret.clone())
            );
            secret.check().unwrap();
        }
        for value in [
            "",
            "/etc/app/password",
            "cpe-secret-file:/etc/cpe/secrets/a",
        ] {
            assert_eq!(GuestSecret::of_value(value), None, "{value}");
        }
    }

    #[test]
    fn a_guest_is_asked_for_files_and_credentials_only() {
        let long = format!("/{}", "a".repeat(MAX_PATH));
        for path in [
            "",
            "/",
            "etc/a",
            "/etc/../a",
            "/etc//a",
            "/etc/a/",
            "/a\n",
            &long,
        ] {
            assert!(GuestSecret::File(path.into()).check().is_err(), "{path}");
        }
        let long = "a".repeat(MAX_NAME + 1);
        for name in ["", ".", "..", "a/b", "a b", &long] {
            assert!(
                GuestSecret::Credential(name.into()).check().is_err(),
                "{name}"
            );
        }
    }

    #[test]
    fn names_are_added_once() {
        let mut annotations = BTreeMap::new();
        name_secrets(&mut annotations, [].into_iter());
        assert!(annotations.is_empty());
        name_secrets(&mut annotations, ["dsn"].into_iter());
        name_secrets(&mut annotations, ["password", "dsn"].into_iter());
        assert_eq!(annotations[SECRET_NAMES], " dsn password ");
    }

    #[test]
    fn names_are_whole_words() {
        assert!(names_secret(" password dsn ", "dsn"));
        assert!(!names_secret(" password dsn ", "pass"));
        assert!(!names_secret("", "dsn"));
    }
}
