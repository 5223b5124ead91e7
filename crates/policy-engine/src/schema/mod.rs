//! The format of a configuration (`validate-with`): which version one follows, or where it follows
//! none.
//!
//! A configuration follows the first version, from the one that it names on, that allows all that
//! it has (scheduler-spec/01 §19). `configuration.grammar` says what each version allows.

mod check;
mod complaints;
mod grammar;
mod pattern;
mod references;
mod values;

#[cfg(test)]
mod tests;

pub(crate) use complaints::complaints;

use crate::xml::Document;

/// A version of the format.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Version(u8, u8);

/// All versions, oldest first.
const VERSIONS: &[Version] = &[
    Version(1, 0),
    Version(1, 2),
    Version(1, 3),
    Version(2, 0),
    Version(2, 1),
    Version(2, 2),
    Version(2, 3),
    Version(2, 4),
    Version(2, 5),
    Version(2, 6),
    Version(2, 7),
    Version(2, 8),
    Version(2, 9),
    Version(2, 10),
    Version(3, 0),
    Version(3, 1),
    Version(3, 2),
    Version(3, 3),
    Version(3, 4),
    Version(3, 5),
    Version(3, 6),
    Version(3, 7),
    Version(3, 8),
    Version(3, 9),
    Version(3, 10),
    Version(4, 0),
];

/// Names of before 1.0, and of versions that were never released; what they named is tried as 1.0.
const FORMER: &[&str] = &[
    "pacemaker-0.6",
    "transitional-0.6",
    "pacemaker-0.7",
    "pacemaker-1.1",
];

/// What a document names as its version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Named {
    /// None: it is not checked.
    Unchecked,
    /// This one.
    Version(Version),
    /// One that is not known.
    Unknown,
}

/// Why no version of the format allows a configuration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}, column {column}: {text}")]
pub struct Invalid {
    /// Line of the element, from 1.
    pub line: u32,
    /// Column of the element, in bytes from 1.
    pub column: u32,
    /// What is wrong, and what would be right.
    pub text: String,
}

impl Version {
    /// The newest version.
    pub(crate) const NEWEST: Version = Version(4, 0);

    /// Reads `3.10`.
    fn parse(text: &str) -> Option<Version> {
        let (major, minor) = text.split_once('.')?;
        Some(Version(major.parse().ok()?, minor.parse().ok()?))
    }

    /// 1.0, 2.0 and so on.
    pub(crate) fn major(self) -> u8 {
        self.0
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// The version that a document names.
pub(crate) fn named(document: &Document) -> Named {
    match document.root().get("validate-with") {
        None | Some("none") => Named::Unchecked,
        Some("pacemaker-next") => Named::Version(Version(3, 10)),
        Some(name) if FORMER.contains(&name) => Named::Version(VERSIONS[0]),
        Some(name) => {
            let version = name.strip_prefix("pacemaker-").and_then(Version::parse);
            let known = version.filter(|version| VERSIONS.contains(version));
            known.map_or(Named::Unknown, Named::Version)
        }
    }
}

/// The version that the configuration of a document follows, `None` if it is not to be checked.
///
/// # Errors
/// [`Invalid`] with the place that a version gets farthest to.
pub(crate) fn followed(document: &Document) -> Result<Option<Version>, Invalid> {
    let version = followed_in_form(document)?;
    if version.is_some() {
        references::check(document)?;
    }
    Ok(version)
}

/// The same, wherever references lead: for a part of a configuration.
///
/// # Errors
/// [`Invalid`] with the place that a version gets farthest to.
pub(crate) fn followed_in_form(document: &Document) -> Result<Option<Version>, Invalid> {
    let first = match named(document) {
        Named::Unchecked => return Ok(None),
        Named::Version(version) => version,
        Named::Unknown => return Err(unknown(document)),
    };
    let mut farthest: Option<check::Failure> = None;
    for version in VERSIONS.iter().copied().filter(|version| *version >= first) {
        match check::check(document, version) {
            Ok(()) => return Ok(Some(version)),
            Err(failure) => {
                if farthest
                    .as_ref()
                    .is_none_or(|known| known.seen < failure.seen)
                {
                    farthest = Some(failure);
                }
            }
        }
    }
    Err(farthest.map_or_else(|| unknown(document), |failure| failure.invalid))
}

fn unknown(document: &Document) -> Invalid {
    let root = document.root();
    let (line, column) = root.position();
    let name = root.get("validate-with").unwrap_or_default();
    Invalid {
        line,
        column,
        text: format!(
            "validate-with names the unknown schema \"{name}\": expected pacemaker-{} to pacemaker-{}, or \"none\" to read it unchecked",
            VERSIONS[0],
            Version::NEWEST
        ),
    }
}
