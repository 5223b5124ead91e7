//! What is set on a host that shares deployments with others: its part in their cluster, and the
//! store through which they share.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cluster_keys::{LONGEST_NAME, is_name};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Labels of a host, and the bytes of each.
const MOST_LABELS: usize = 64;
const LONGEST_LABEL: usize = 63;
/// Deployments of one host. A host with more needs days for a drain.
const MOST_CAPACITY: u32 = 10_000;
/// Members of the store: etcd advises against more than seven.
const MOST_ENDPOINTS: usize = 9;

/// This host among those that share deployments.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cluster {
    /// Its name; empty: it shares no deployments.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// Where the other hosts reach it.
    #[serde(deserialize_with = "address")]
    pub address: String,
    /// What deployments may ask for.
    #[serde(deserialize_with = "labels")]
    pub labels: BTreeSet<String>,
    /// How many deployments it may run.
    #[serde(deserialize_with = "capacity")]
    pub capacity: u32,
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster {
            name: String::new(),
            address: String::new(),
            labels: BTreeSet::new(),
            capacity: 300,
        }
    }
}

/// Where deployments and events are kept.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Store {
    pub kind: Kind,
    /// etcd's members.
    #[serde(deserialize_with = "endpoints")]
    pub endpoints: Vec<String>,
    /// Who has signed their certificates.
    #[serde(deserialize_with = "file")]
    pub ca: PathBuf,
    /// This host's own certificate, and its key.
    #[serde(deserialize_with = "file")]
    pub cert: PathBuf,
    #[serde(deserialize_with = "file")]
    pub key: PathBuf,
}

/// Kinds of stores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A file of this host.
    #[default]
    Sqlite,
    /// What several hosts share.
    Etcd,
}

/// Settings that do not go together: what is wrong with that key of that section.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub section: &'static str,
    pub key: &'static str,
    pub text: String,
}

/// Looks whether both go together.
///
/// # Errors
/// What does not.
pub(super) fn check(cluster: &Cluster, store: &Store) -> Result<(), Wrong> {
    let wrong = |section, key, text: &str| {
        let text = text.to_owned();
        Err(Wrong { section, key, text })
    };
    if store.kind == Kind::Etcd && cluster.name.is_empty() {
        let text = "hosts that share a store have names: set `name` in [cluster], another one on each host";
        return wrong("store", "kind", text);
    }
    if store.kind == Kind::Sqlite && !cluster.name.is_empty() {
        let text = "hosts share deployments through etcd only, and [store] is of kind \"sqlite\": leave `name` out";
        return wrong("cluster", "name", text);
    }
    let unused = |key| {
        let text = "it has no meaning on a host that shares no deployments: leave it out";
        wrong("cluster", key, text)
    };
    if cluster.name.is_empty() {
        let own = Cluster::default();
        if cluster.address != own.address {
            return unused("address");
        }
        if cluster.labels != own.labels {
            return unused("labels");
        }
        if cluster.capacity != own.capacity {
            return unused("capacity");
        }
    }
    match store.kind {
        Kind::Sqlite => check_sqlite(store),
        Kind::Etcd => check_etcd(store),
    }
}

fn files(store: &Store) -> [(&'static str, &Path); 3] {
    [
        ("ca", &store.ca),
        ("cert", &store.cert),
        ("key", &store.key),
    ]
}

fn check_sqlite(store: &Store) -> Result<(), Wrong> {
    let named = files(store).into_iter();
    let mut set = named.filter(|(_, path)| *path != Path::new(""));
    let key = match store.endpoints.is_empty() {
        true => set.next().map(|(key, _)| key),
        false => Some("endpoints"),
    };
    key.map_or(Ok(()), |key| {
        let text = "it is for a store of kind \"etcd\", and this one is \"sqlite\": leave it out";
        Err(Wrong {
            section: "store",
            key,
            text: text.to_owned(),
        })
    })
}

fn check_etcd(store: &Store) -> Result<(), Wrong> {
    let missing = |key, what: &str| Wrong {
        section: "store",
        key,
        text: format!("a store of kind \"etcd\" needs {what}"),
    };
    if store.endpoints.is_empty() {
        let what = "its members: endpoints = [\"https://ADDRESS:PORT\", …]";
        return Err(missing("endpoints", what));
    }
    for (key, path) in files(store) {
        if path == Path::new("") {
            let what = format!("`{key}`, the path of a file");
            return Err(missing(key, &what));
        }
    }
    Ok(())
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    match name.is_empty() || is_name(&name) {
        true => Ok(name),
        false => Err(D::Error::custom(format!(
            "“{name}” is not a host's name: use up to {LONGEST_NAME} letters, digits, -, _ and ."
        ))),
    }
}

fn is_address(text: &str) -> bool {
    let parts = text.rsplit_once(':');
    parts.is_some_and(|(host, port)| {
        let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
        let may_be = |c: char| !c.is_whitespace() && c != '/';
        !host.is_empty() && host.chars().all(may_be) && is_port
    })
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let address = String::deserialize(deserializer)?;
    match address.is_empty() || is_address(&address) {
        true => Ok(address),
        false => Err(D::Error::custom(format!(
            "“{address}” is no address: write HOST:PORT, and an IPv6 address in brackets"
        ))),
    }
}

fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<String>, D::Error> {
    let labels = BTreeSet::<String>::deserialize(deserializer)?;
    if labels.len() > MOST_LABELS {
        let found = labels.len();
        let text = format!("a host has at most {MOST_LABELS} labels, this one has {found}");
        return Err(D::Error::custom(text));
    }
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=".contains(&byte);
    let is_label = |label: &&String| {
        !label.is_empty() && label.len() <= LONGEST_LABEL && label.bytes().all(may_be)
    };
    match labels.iter().find(|label| !is_label(label)) {
        None => Ok(labels),
        Some(label) => Err(D::Error::custom(format!(
            "“{label}” is no label: use up to {LONGEST_LABEL} letters, digits, -, _, ., / and ="
        ))),
    }
}

fn capacity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let capacity = i64::deserialize(deserializer)?;
    let within = u32::try_from(capacity).ok();
    let within = within.filter(|capacity| (1..=MOST_CAPACITY).contains(capacity));
    within.ok_or_else(|| {
        D::Error::custom(format!(
            "a host runs 1 to {MOST_CAPACITY} deployments, found {capacity}: to have it run none, drain it"
        ))
    })
}

fn endpoints<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let endpoints = Vec::<String>::deserialize(deserializer)?;
    let (found, most) = (endpoints.len(), MOST_ENDPOINTS);
    if found > most {
        let text = format!("a store has at most {most} members, found {found}");
        return Err(D::Error::custom(text));
    }
    for (at, endpoint) in endpoints.iter().enumerate() {
        let rest = endpoint.strip_prefix("https://").unwrap_or_default();
        if !is_address(rest) {
            let text = format!("“{endpoint}” is no member of etcd: write https://ADDRESS:PORT");
            return Err(D::Error::custom(text));
        }
        if endpoints[..at].contains(endpoint) {
            return Err(D::Error::custom(format!("{endpoint} is there twice")));
        }
    }
    Ok(endpoints)
}

fn file<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    match path == Path::new("") || path.is_absolute() {
        true => Ok(path),
        false => Err(D::Error::custom(format!(
            "“{}” is not the whole path of a file, which begins with /",
            path.display()
        ))),
    }
}
