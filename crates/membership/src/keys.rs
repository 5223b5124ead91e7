//! How keys are written.

use cluster_keys::CHANGE;
pub(crate) use cluster_keys::{CLUSTER, PULSE, is_name};
pub use cluster_keys::{OWN, READ, WRITE};
use ownership::{ChangeId, DeploymentId, HostId, Key};

pub(crate) fn text(key: &Key) -> String {
    match key {
        Key::Meta => cluster_keys::META.to_owned(),
        Key::Host(host) => format!("{}{host}", cluster_keys::HOST),
        Key::Alive(host) => format!("{}{host}", cluster_keys::ALIVE),
        Key::Deployment(name) => cluster_keys::deployment(name.as_str()),
        Key::Owner(name) => cluster_keys::owner(name.as_str()),
        Key::Change(ChangeId(id)) => format!("{CHANGE}{id:032x}"),
    }
}

/// `None`: it is not one of these.
pub(crate) fn key(text: &str) -> Option<Key> {
    if text.strip_prefix(CLUSTER) == Some("meta") {
        return Some(Key::Meta);
    }
    if let Some(id) = text.strip_prefix(CHANGE) {
        return u128::from_str_radix(id, 16)
            .ok()
            .map(|id| Key::Change(ChangeId(id)));
    }
    let (kind, name) = text.strip_prefix(CLUSTER)?.split_once('/')?;
    let key = match kind {
        "host" => Key::Host(HostId::new(name)),
        "alive" => Key::Alive(HostId::new(name)),
        "dep" => Key::Deployment(DeploymentId::new(name)),
        "own" => Key::Owner(DeploymentId::new(name)),
        _ => return None,
    };
    is_name(name).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let all = [
            Key::Meta,
            Key::Host(HostId::new("h-1.example")),
            Key::Alive(HostId::new("h")),
            Key::Deployment(DeploymentId::new("shop")),
            Key::Owner(DeploymentId::new("shop")),
            Key::Change(ChangeId(u128::MAX)),
        ];
        for it in all {
            assert_eq!(key(&text(&it)), Some(it));
        }
    }

    #[test]
    fn other_keys_are_none() {
        for it in ["", "/cpe/v1/cluster/", "/cpe/v1/cluster/own/", PULSE] {
            assert_eq!(key(it), None, "{it}");
        }
        for name in ["../etc", "a/b", ".a", "ä", ""] {
            assert_eq!(key(&format!("{CLUSTER}own/{name}")), None, "{name}");
        }
    }
}
