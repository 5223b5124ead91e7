//! How keys are written.

use ownership::{ChangeId, DeploymentId, HostId, Key};

/// Of everything that this project keeps.
const ALL: &str = "/cpe/v1/";

/// Of what every host lists and watches. One prefix, so that one watch tells of it in order.
pub(crate) const CLUSTER: &str = "/cpe/v1/cluster/";

/// What is written once a second, so that a watch has something to tell.
pub(crate) const PULSE: &str = "/cpe/v1/cluster/pulse";

/// Of changes' outcomes, which nobody watches.
const CHANGE: &str = "/cpe/v1/change/";

/// Prefixes that every host's role reads,
pub const READ: &[&str] = &[ALL];

/// that every host's role writes: any host may take what another one has had, and carries out what
/// administrators want of another one,
pub const WRITE: &[&str] = &[
    "/cpe/v1/cluster/meta",
    "/cpe/v1/cluster/host/",
    "/cpe/v1/cluster/dep/",
    "/cpe/v1/cluster/own/",
    PULSE,
    CHANGE,
    "/cpe/v1/doc/",
    "/cpe/v1/fact/",
    "/cpe/v1/ev/",
];

/// and those that, with a host's name after them, only its own role writes: nobody else says that
/// it is alive, or is not.
pub const OWN: &[&str] = &["/cpe/v1/cluster/alive/", "/cpe/v1/log/"];

/// Bytes of a name of a host or a deployment. Names of files have 255.
const LONGEST: usize = 200;

/// Whether that may be the name of a host or a deployment: it is a part of keys, and of names of
/// files.
pub(crate) fn is_name(name: &str) -> bool {
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let begins_well = name.bytes().next().is_some_and(|byte| byte != b'.');
    begins_well && name.len() <= LONGEST && name.bytes().all(may_be)
}

pub(crate) fn text(key: &Key) -> String {
    match key {
        Key::Meta => format!("{CLUSTER}meta"),
        Key::Host(host) => format!("{CLUSTER}host/{host}"),
        Key::Alive(host) => format!("{CLUSTER}alive/{host}"),
        Key::Deployment(name) => format!("{CLUSTER}dep/{name}"),
        Key::Owner(name) => format!("{CLUSTER}own/{name}"),
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
