//! Parameters whose values are not in the document: a guest tells them, or somebody sets them.

use serde::{Deserialize, Serialize};

/// What guests tell of themselves, by the names that references have for it.
const TOLD: [&str; 5] = [
    "hostname",
    "ipaddress",
    "ipaddress4",
    "ipaddress6",
    "machine_id",
];

/// `ipaddress.eth0`.
const OF_INTERFACE: &str = "ipaddress.";

/// Longest name of an attribute, in bytes.
const LONGEST_NAME: usize = 255;

/// A parameter of a service that follows a value beyond the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveReference {
    /// Id of the service.
    pub service: String,
    /// Id of the resource that is placed as a whole: the service, its clone, or its group.
    pub whole: String,
    /// Its parameter.
    pub parameter: String,
    /// The assembly whose value it is.
    pub assembly: String,
    /// Which value of the assembly.
    pub source: LiveSource,
    /// The value while there is no other: what the document says.
    pub fallback: Option<String>,
    /// What a change of the value does to the service.
    pub on_change: OnChange,
}

/// Which value of an assembly a parameter follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LiveSource {
    /// What its guest tells, by name: `hostname`, `ipaddress`, `ipaddress.eth0`.
    Guest(String),
    /// A node attribute, by name.
    Attribute(String),
}

impl LiveSource {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            LiveSource::Guest(name) | LiveSource::Attribute(name) => name,
        }
    }
}

/// What a changed value does to the service that follows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnChange {
    /// It is restarted.
    #[default]
    Restart,
    /// It takes the value over while it runs, if its agent can; else it is restarted.
    Reload,
    /// Nothing, until it is started for another reason.
    Ignore,
}

impl OnChange {
    const ALL: [OnChange; 3] = [OnChange::Restart, OnChange::Reload, OnChange::Ignore];

    /// All words of the document.
    pub(crate) const WORDS: [&str; 3] = ["restart", "reload", "ignore"];

    /// The word of the document.
    pub fn as_str(self) -> &'static str {
        match self {
            OnChange::Restart => "restart",
            OnChange::Reload => "reload",
            OnChange::Ignore => "ignore",
        }
    }

    /// Of a word of the document.
    pub(crate) fn read(text: &str) -> Option<OnChange> {
        OnChange::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

/// Guests tell a value of this name.
pub(crate) fn is_told(name: &str) -> bool {
    let interface = name.strip_prefix(OF_INTERFACE);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@".contains(&byte);
    TOLD.contains(&name)
        || interface.is_some_and(|own| (1..=15).contains(&own.len()) && own.bytes().all(allowed))
}

/// Names that guests tell, for suggestions.
pub(crate) fn told<'a>() -> impl Iterator<Item = &'a str> {
    TOLD.into_iter()
}

/// The name of a node attribute.
///
/// # Errors
/// What would be right.
pub(crate) fn attribute_name(text: &str) -> Result<(), String> {
    let is_one = |c: char| !c.is_whitespace() && !c.is_control();
    match (1..=LONGEST_NAME).contains(&text.len()) && text.chars().all(is_one) {
        true => Ok(()),
        false => Err(format!(
            "expected the name of a node attribute: 1 to {LONGEST_NAME} bytes without blanks"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_tell_their_names_and_addresses() {
        for name in [
            "hostname",
            "ipaddress",
            "ipaddress6",
            "ipaddress.eth0.7",
            "machine_id",
        ] {
            assert!(is_told(name), "{name}");
        }
        for name in [
            "host",
            "ipaddress.",
            "ipaddress.a b",
            "ipaddress.0123456789abcdef",
            "name",
        ] {
            assert!(!is_told(name), "{name}");
        }
    }

    #[test]
    fn a_change_restarts_reloads_or_does_nothing() {
        let read = OnChange::WORDS.map(OnChange::read);
        assert_eq!(read, OnChange::ALL.map(Some));
        assert_eq!(OnChange::ALL.map(OnChange::as_str), OnChange::WORDS);
        assert_eq!(OnChange::read("restrat"), None);
        assert_eq!(OnChange::default(), OnChange::Restart);
    }
}
