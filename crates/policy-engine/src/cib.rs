//! The input: a cluster information base as XML, and why one is refused.

use std::sync::Arc;

use crate::model::{FEATURE_SET, Zone};
use crate::schema::{self, Named};
use crate::upgrade::{self, Change};
use crate::{expansion, scalar, xml};

/// A cluster information base: configuration and state, as read from XML.
#[derive(Clone, Debug)]
pub struct Cib {
    document: Arc<xml::Document>,
    /// What the upgrade of its configuration changed.
    changes: Vec<Change>,
    /// Its configuration follows a later version of the format than it names.
    follows_later: bool,
}

/// Why a CIB cannot be scheduled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not well-formed XML, or beyond the limits of the reader.
    #[error(transparent)]
    Xml(#[from] xml::XmlError),
    /// A configuration that no version of the format allows.
    #[error(transparent)]
    Invalid(#[from] schema::Invalid),
    /// A configuration whose expansion exceeds the limits.
    #[error(transparent)]
    TooLarge(#[from] expansion::TooLarge),
    /// XML, but not a CIB.
    #[error("expected a <cib> element at the top of the document, found <{found}>")]
    NotACib {
        /// Name of the root element.
        found: String,
    },
    /// Made by a newer Pacemaker than this scheduler follows.
    #[error(
        "the CIB needs feature set {found}, this scheduler has {FEATURE_SET}: use a newer scheduler"
    )]
    TooNew {
        /// Feature set of the CIB.
        found: String,
    },
}

/// Upgrades a configuration that is only a part of one, so that references may lead out of it, in a
/// document that looks like a CIB. One that names no version (`validate-with`) is not checked, and
/// read as one of 3.0 or later. Returns what was changed.
///
/// # Errors
/// No version of the format from the one that the document names on allows it.
pub fn upgrade_configuration(document: &mut xml::Document) -> Result<Vec<Change>, schema::Invalid> {
    let from = match document.root().get("validate-with") {
        None => Some(upgrade::From::Three),
        Some(_) => source(schema::followed_in_form(document)?),
    };
    Ok(from.map_or_else(Vec::new, |from| upgrade::upgrade(document, from)))
}

/// From where a version is upgraded, if it is.
fn source(followed: Option<schema::Version>) -> Option<upgrade::From> {
    match followed?.major() {
        1 | 2 => Some(upgrade::From::Two),
        3 => Some(upgrade::From::Three),
        _ => None,
    }
}

impl Cib {
    /// Parses a CIB. A missing `status` section is added empty.
    ///
    /// # Errors
    /// [`Error::Xml`] and [`Error::TooLarge`] with line and column, [`Error::NotACib`],
    /// [`Error::TooNew`].
    pub fn parse(text: &str) -> Result<Cib, Error> {
        let mut cib = Cib::parse_accepted(text)?;
        let followed = match schema::named(&cib.document) {
            Named::Version(version) if version < schema::Version::NEWEST => {
                schema::followed(&cib.document).unwrap_or(Some(version))
            }
            _ => None,
        };
        cib.upgrade(followed);
        expansion::check(&cib.document)?;
        Ok(cib)
    }

    /// [`Cib::parse`] for a CIB of strangers: its configuration has to follow the version of the
    /// format that it names (`validate-with`), or a later one. With "none" it is not checked.
    ///
    /// # Errors
    /// Those of [`Cib::parse`], and [`Error::Invalid`] with line and column.
    pub fn parse_valid(text: &str) -> Result<Cib, Error> {
        let mut cib = Cib::parse_accepted(text)?;
        let followed = schema::followed(&cib.document)?;
        cib.follows_later = match schema::named(&cib.document) {
            Named::Version(version) => followed != Some(version),
            _ => false,
        };
        cib.upgrade(followed);
        expansion::check(&cib.document)?;
        Ok(cib)
    }

    /// What `crm_simulate` writes to standard error about a configuration that does not follow the
    /// version that it names, but a later one: what each version does not allow. Nothing for what
    /// is refused.
    pub fn complaints(text: &str) -> Vec<String> {
        match xml::parse(text) {
            Ok(document) => schema::complaints(&document),
            Err(_) => Vec::new(),
        }
    }

    /// [`Cib::parse`] without [`Error::TooLarge`], for a configuration that was accepted before:
    /// resources that run already have to be managed, even if nodes that joined since exceed a
    /// limit.
    ///
    /// # Errors
    /// [`Error::Xml`] with line and column, [`Error::NotACib`], [`Error::TooNew`].
    pub fn parse_accepted(text: &str) -> Result<Cib, Error> {
        let mut document = xml::parse(text)?;
        let root = document.root();
        if root.name() != "cib" {
            return Err(Error::NotACib {
                found: root.name().to_owned(),
            });
        }
        if let Some(found) = root.get("crm_feature_set")
            && scalar::compare_versions(found, FEATURE_SET).is_gt()
        {
            return Err(Error::TooNew {
                found: found.to_owned(),
            });
        }
        if root.child("status").is_none() {
            let root = root.id();
            document.append(root, "status");
        }
        Ok(Cib {
            document: Arc::new(document),
            changes: Vec::new(),
            follows_later: false,
        })
    }

    /// Upgrades the configuration. One that no version of the format allows is upgraded from the
    /// version that it names.
    fn upgrade(&mut self, followed: Option<schema::Version>) {
        if let Some(from) = source(followed) {
            self.changes = upgrade::upgrade(self.document_mut(), from);
        }
    }

    /// What the upgrade of its configuration changed, in the order in which it was done.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Whether its configuration does not follow the version of the format that it names, but a
    /// later one, as far as that was checked ([`Cib::parse_valid`]).
    pub fn follows_later(&self) -> bool {
        self.follows_later
    }

    /// The document.
    pub fn document(&self) -> &Arc<xml::Document> {
        &self.document
    }

    /// The document, to change it (copied if a cluster still uses it).
    pub fn document_mut(&mut self) -> &mut xml::Document {
        Arc::make_mut(&mut self.document)
    }

    /// `execution-date`, epoch seconds.
    pub fn execution_date(&self) -> Option<i64> {
        self.document
            .root()
            .get("execution-date")
            .and_then(scalar::integer)
    }

    /// The time zone in which its rules read the clock, by its name: the cluster option
    /// `time-zone`, which Pacemaker does not have. Where there are several, the first counts.
    /// `None`: UTC.
    pub fn time_zone(&self) -> Option<&str> {
        let options = self.document.root().child("configuration")?;
        let sets = options.child("crm_config")?.children();
        let mut pairs = sets.flat_map(|set| set.children());
        let zone = pairs.find(|pair| pair.get("name") == Some("time-zone"));
        zone?.get("value")
    }

    /// The time zone in which its rules read the clock: the one of [`Cib::time_zone`], as `known`
    /// knows it by its name.
    ///
    /// # Errors
    /// That the zone is not known, for people.
    pub fn zone(&self, known: impl FnOnce(&str) -> Option<Zone>) -> Result<Zone, String> {
        let Some(name) = self.time_zone() else {
            return Ok(Zone::default());
        };
        known(name).ok_or_else(|| {
            let name = name.escape_debug();
            format!(
                "the cluster option time-zone: expected a time zone such as Europe/Berlin, found \"{name}\", which this host does not know"
            )
        })
    }

    /// The CIB as XML text.
    pub fn to_xml(&self) -> String {
        let mut xml = xml::Writer::new();
        xml.element(self.document.root());
        xml.finish()
    }
}
