//! One line of ListDeployments, and one problem of a document.

use cpe_status::DeploymentState;
use serde::{Deserialize, Serialize};
use zbus::Type;

use super::MAX_ID;
use crate::Result;
use crate::fields::{Fields, Reader, put};

/// A deployment as ListDeployments shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentEntry {
    /// Its name, unique on the host.
    pub name: String,
    /// The document's uuid.
    pub uuid: String,
    /// The stored generation.
    pub generation: u64,
    /// Its state.
    pub state: DeploymentState,
    /// Its object in the CPE.
    pub path: String,
    /// Whose it is, as `user:alice`; empty: nobody's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// The group whose members are operators; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
}

impl DeploymentEntry {
    /// As `a{sv}`.
    pub fn to_fields(&self) -> Fields {
        let mut fields = Fields::new();
        put(&mut fields, "name", self.name.as_str());
        put(&mut fields, "uuid", self.uuid.as_str());
        put(&mut fields, "generation", self.generation);
        put(&mut fields, "state", self.state.as_str());
        put(&mut fields, "path", self.path.as_str());
        for (key, text) in [("owner", &self.owner), ("group", &self.group)] {
            if !text.is_empty() {
                put(&mut fields, key, text.as_str());
            }
        }
        fields
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] naming the key.
    pub fn from_fields(fields: &Fields) -> Result<Self> {
        let reader = Reader::new("deployment entry", fields);
        Ok(DeploymentEntry {
            name: reader.required_text("name", MAX_ID)?,
            uuid: reader.text("uuid", MAX_ID)?,
            generation: reader.u64("generation")?,
            state: DeploymentState::from_word(&reader.text("state", MAX_ID)?),
            path: reader.text("path", 4 * MAX_ID)?,
            owner: reader.text("owner", MAX_ID)?,
            group: reader.text("group", MAX_ID)?,
        })
    }
}

/// A problem of a document as ValidateDeployment reports it, D-Bus signature `(suus)`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct ProblemRecord {
    /// `error` or `warning`.
    pub severity: String,
    /// Line from 1; 0 where the problem is not at one place.
    pub line: u32,
    /// Column from 1, in characters; 0 where the problem is not at one place.
    pub column: u32,
    /// What is wrong and what would be right.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_it_wrote() {
        let entry = DeploymentEntry {
            name: "shop".into(),
            uuid: "u".into(),
            generation: 3,
            state: DeploymentState::Active,
            path: "/org/cloudpolicy/cpe1/deployment/shop".into(),
            owner: "user:alice".into(),
            group: "ops".into(),
        };
        assert_eq!(
            DeploymentEntry::from_fields(&entry.to_fields()).unwrap(),
            entry
        );
        assert_eq!(ProblemRecord::SIGNATURE.to_string(), "(suus)");
    }
}
