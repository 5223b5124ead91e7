//! A node attribute: what resource agents tell the scheduler about their guest, as promotion scores
//! and reachability.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::MAX_ID;
use crate::fields::{Fields, Reader, put, put_text};
use crate::{Error, Result};

pub use cpe_status::limits::{MAX_ATTRIBUTE_VALUE, MAX_ATTRIBUTES, MAX_ATTRIBUTES_SIZE};

/// Longest dampening, in milliseconds: an hour.
pub const MAX_DAMPENING_MS: u32 = 3_600_000;

/// The value of one attribute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAttribute {
    /// Any text that XML can hold.
    pub value: String,
    /// How long a change waits for further changes, of other guests too, before it counts.
    #[serde(default)]
    pub dampening_ms: u32,
}

/// All attributes of one guest by name, and how often they have changed since the guest's boot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeAttributes {
    /// Counts up with every change, also over restarts of the agent.
    pub version: u64,
    /// By name.
    pub values: BTreeMap<String, NodeAttribute>,
}

impl NodeAttributes {
    /// The attributes as `aa{sv}`.
    pub fn to_fields(&self) -> Vec<Fields> {
        self.values
            .iter()
            .map(|(name, attribute)| {
                let mut fields = Fields::new();
                put(&mut fields, "name", name.as_str());
                put_text(&mut fields, "value", &attribute.value);
                put(&mut fields, "dampening_ms", attribute.dampening_ms);
                fields
            })
            .collect()
    }

    /// Reads what an agent reports.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the key, [`Error::TooLarge`] beyond the bounds of this
    /// file.
    pub fn from_fields(version: u64, records: &[Fields]) -> Result<Self> {
        let mut values = BTreeMap::new();
        for fields in records.iter().take(MAX_ATTRIBUTES + 1) {
            let reader = Reader::new("node attribute", fields);
            let name = reader.required_text("name", MAX_ID)?;
            let attribute = NodeAttribute {
                value: reader.text("value", MAX_ATTRIBUTE_VALUE)?,
                dampening_ms: reader.u32("dampening_ms")?,
            };
            check(&name, &attribute)?;
            values.insert(name, attribute);
        }
        check_size(values.iter())?;
        Ok(NodeAttributes { version, values })
    }
}

/// Whether a guest may have such an attribute.
///
/// # Errors
/// [`Error::InvalidArgument`] or [`Error::TooLarge`] that says what would be right.
pub fn check(name: &str, attribute: &NodeAttribute) -> Result<()> {
    let invalid = |text: String| Err(Error::InvalidArgument(text));
    if name.is_empty() || name.len() > MAX_ID {
        return invalid(format!(
            "the name of a node attribute must have 1 to {MAX_ID} bytes; this one has {}",
            name.len()
        ));
    }
    if !name.chars().all(|c| is_xml(c) && !c.is_whitespace()) {
        return invalid(format!(
            "the name of a node attribute may hold neither blanks nor control characters; found {name:?}"
        ));
    }
    if let Some(advice) = reserved(name) {
        return invalid(format!(
            "node attribute `{name}` is not a guest's to set: {advice}"
        ));
    }
    if attribute.value.len() > MAX_ATTRIBUTE_VALUE {
        return Err(Error::TooLarge(format!(
            "node attribute {name}: its value has {} bytes; at most {MAX_ATTRIBUTE_VALUE} are kept",
            attribute.value.len()
        )));
    }
    if !attribute.value.chars().all(is_xml) {
        return invalid(format!(
            "node attribute {name}: its value holds control characters"
        ));
    }
    if attribute.dampening_ms > MAX_DAMPENING_MS {
        return invalid(format!(
            "node attribute {name}: a change may be held back for at most {MAX_DAMPENING_MS} ms; found {}",
            attribute.dampening_ms
        ));
    }
    Ok(())
}

/// Whether a guest may have attributes of that number and size.
///
/// # Errors
/// [`Error::TooLarge`].
pub fn check_size<'a>(
    attributes: impl Iterator<Item = (&'a String, &'a NodeAttribute)>,
) -> Result<()> {
    let (count, size) = attributes.fold((0, 0), |(count, size), (name, attribute)| {
        (count + 1, size + name.len() + attribute.value.len())
    });
    if count > MAX_ATTRIBUTES || size > MAX_ATTRIBUTES_SIZE {
        return Err(Error::TooLarge(format!(
            "{count} node attributes of {size} bytes; a guest may have {MAX_ATTRIBUTES} of {MAX_ATTRIBUTES_SIZE} bytes: delete \
             some that are not used"
        )));
    }
    Ok(())
}

/// Attributes that mean something to the policy engine and belong to the DPE; with what to do
/// instead.
fn reserved(name: &str) -> Option<&'static str> {
    match name {
        "standby" => Some("use `cpectl standby` on the host"),
        "maintenance" => Some("use `cpectl maintenance` on the host"),
        "terminate" | "shutdown" => Some("the DPE decides what is fenced"),
        _ if name.starts_with("fail-count-") || name.starts_with("last-failure-") => {
            Some("the DPE counts failures; use `cpectl cleanup` on the host")
        }
        _ if name.starts_with('#') && !name.starts_with("#health") => {
            Some("of the names that begin with `#` only #health… is")
        }
        _ => None,
    }
}

/// What XML 1.0 can hold.
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && c != '\u{fffe}' && c != '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(value: &str) -> NodeAttribute {
        NodeAttribute {
            value: value.into(),
            dampening_ms: 0,
        }
    }

    #[test]
    fn it_reads_what_it_wrote() {
        let mut score = attribute("-INFINITY");
        score.dampening_ms = 5000;
        let attributes = NodeAttributes {
            version: 7,
            values: BTreeMap::from([
                ("master-db:0".into(), score),
                ("#health-cpu".into(), attribute("")),
            ]),
        };
        let fields = attributes.to_fields();
        assert_eq!(NodeAttributes::from_fields(7, &fields).unwrap(), attributes);
    }

    #[test]
    fn it_refuses_what_is_not_a_guests_to_say() {
        for (name, advice) in [
            ("standby", "cpectl standby"),
            ("terminate", "DPE"),
            ("fail-count-db#monitor_10000", "cpectl cleanup"),
            ("#uname", "#health"),
            ("", "1 to 255"),
            ("a b", "blanks"),
        ] {
            let error = check(name, &attribute("1")).unwrap_err().to_string();
            assert!(error.contains(advice), "{name}: {error}");
        }
        assert!(check("pingd", &attribute("\u{7}")).is_err());
        assert!(check("pingd", &attribute(&"x".repeat(MAX_ATTRIBUTE_VALUE + 1))).is_err());
        assert!(check("ports", &attribute("a: \"1\",\n<b>")).is_ok());
    }

    #[test]
    fn it_bounds_what_a_guest_may_say() {
        let set = |count: usize, value: &str| -> BTreeMap<String, NodeAttribute> {
            (0..count)
                .map(|n| (n.to_string(), attribute(value)))
                .collect()
        };
        assert!(check_size(set(MAX_ATTRIBUTES, "").iter()).is_ok());
        assert!(check_size(set(MAX_ATTRIBUTES + 1, "").iter()).is_err());
        assert!(check_size(set(17, &"x".repeat(4096)).iter()).is_err());
    }
}
