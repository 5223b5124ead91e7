//! This guest's attributes, and how a change changes them. Pure.

use std::collections::BTreeMap;

use cpe_bus::records::attribute::{check, check_size};
use cpe_bus::{Error, NodeAttribute, NodeAttributes, Result};
use serde::{Deserialize, Serialize};

use super::Change;

/// All attributes of the guest, as they are kept on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GuestAttributes {
    /// The deployment whose services have set them; empty: none yet.
    pub deployment: String,
    /// How often what is reported to the DPE has changed since the guest's boot.
    pub version: u64,
    values: BTreeMap<String, Kept>,
}

/// One attribute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    attribute: NodeAttribute,
    /// It stays in this guest: the DPE does not get it.
    #[serde(default)]
    private: bool,
}

impl GuestAttributes {
    /// The attributes after a change; the same if it changes nothing.
    ///
    /// # Errors
    /// Those of [`check`] and [`check_size`]; [`Error::NotFound`] for the dampening of an attribute
    /// that does not exist.
    pub fn with(&self, change: &Change) -> Result<GuestAttributes> {
        let mut next = self.clone();
        match change {
            Change::Delete { name } => {
                next.values.remove(name);
            }
            Change::Update {
                name,
                value,
                dampening_ms,
                redampen,
                private,
            } => {
                let known = self.values.get(name);
                let mut kept = known.cloned().unwrap_or(Kept {
                    private: *private,
                    ..Kept::default()
                });
                match value {
                    Some(value) => kept.attribute.value.clone_from(value),
                    None if known.is_some() => {}
                    None => {
                        return Err(Error::NotFound(format!(
                            "there is no node attribute {name} whose dampening could be changed"
                        )));
                    }
                }
                if known.is_none() || *redampen {
                    kept.attribute.dampening_ms = dampening_ms.unwrap_or(0);
                }
                check(name, &kept.attribute)?;
                next.values.insert(name.clone(), kept);
                let all = next.values.iter();
                check_size(all.map(|(name, kept)| (name, &kept.attribute)))?;
            }
        }
        next.version += u64::from(next.reported().values != self.reported().values);
        Ok(next)
    }

    /// An empty set, with a new version: the DPE may have reports of a set that was not empty.
    pub fn cleared(&self) -> GuestAttributes {
        GuestAttributes {
            version: self.version + 1,
            ..GuestAttributes::default()
        }
    }

    /// What is reported to the DPE.
    pub fn reported(&self) -> NodeAttributes {
        let public = self.values.iter().filter(|(_, kept)| !kept.private);
        NodeAttributes {
            version: self.version,
            values: public
                .map(|(name, kept)| (name.clone(), kept.attribute.clone()))
                .collect(),
        }
    }

    /// The value of one, or of all that are not private.
    pub fn query(&self, name: Option<&str>) -> BTreeMap<String, String> {
        let wanted = |(known, kept): &(&String, &Kept)| match name {
            Some(name) => *known == name,
            None => !kept.private,
        };
        self.values
            .iter()
            .filter(wanted)
            .map(|(name, kept)| (name.clone(), kept.attribute.value.clone()))
            .collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_and_the_same_again_does_not() {
        let none = GuestAttributes::default();
        let one = none.with(&Change::update("master-db", "5")).unwrap();
        assert_eq!(one.version, 1);
        assert_eq!(one.query(Some("master-db"))["master-db"], "5");
        assert_eq!(one.with(&Change::update("master-db", "5")).unwrap(), one);
        let delete = Change::Delete {
            name: "master-db".into(),
        };
        let gone = one.with(&delete).unwrap();
        assert_eq!((gone.version, gone.is_empty()), (2, true));
        assert_eq!(gone.with(&delete).unwrap(), gone);
    }

    #[test]
    fn dampening_is_that_of_the_first_update_until_it_is_changed_expressly() {
        let dampened = |value: Option<&str>, ms, redampen| Change::Update {
            name: "pingd".into(),
            value: value.map(str::to_owned),
            dampening_ms: Some(ms),
            redampen,
            private: false,
        };
        let none = GuestAttributes::default();
        assert!(none.with(&dampened(None, 1, true)).is_err());
        let first = none.with(&dampened(Some("1000"), 5000, false)).unwrap();
        let second = first.with(&dampened(Some("0"), 9000, false)).unwrap();
        assert_eq!(second.reported().values["pingd"].dampening_ms, 5000);
        let third = second.with(&dampened(None, 9000, true)).unwrap();
        assert_eq!(third.reported().values["pingd"].dampening_ms, 9000);
        assert_eq!(third.reported().values["pingd"].value, "0");
    }

    #[test]
    fn a_private_attribute_is_known_in_this_guest_only() {
        let secret = Change::Update {
            name: "pid".into(),
            value: Some("17".into()),
            dampening_ms: None,
            redampen: false,
            private: true,
        };
        let set = GuestAttributes::default().with(&secret).unwrap();
        assert_eq!(set.query(Some("pid"))["pid"], "17");
        assert!(set.query(None).is_empty() && set.reported().values.is_empty());
        assert_eq!(set.version, 0);
    }

    #[test]
    fn nothing_changes_when_a_change_is_refused() {
        let full = (0..512).try_fold(GuestAttributes::default(), |set, n| {
            set.with(&Change::update(format!("a{n}"), "1"))
        });
        let full = full.unwrap();
        assert!(full.with(&Change::update("one-more", "1")).is_err());
        assert!(full.with(&Change::update("a1", "2")).is_ok());
        assert!(full.with(&Change::update("standby", "on")).is_err());
    }
}
