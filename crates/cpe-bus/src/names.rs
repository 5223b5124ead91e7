//! Bus names, object paths and interface names, and how a deployment's name becomes a part of them.
//!
//! D-Bus allows fewer characters in a path element than a deployment's name has, so names are
//! escaped as `sd_bus_path_encode(3)` does it: every byte that is not an ASCII letter or digit
//! becomes `_` and two lower-case hexadecimal digits, and so does a leading digit, which a bus name
//! element may not have.

use crate::fields::bounded;
use crate::{Error, Result};

/// Well-known name of the CPE.
pub const CPE_NAME: &str = "org.cloudpolicy.Cpe1";
/// Object of the CPE, root of its object manager.
pub const CPE_PATH: &str = "/org/cloudpolicy/cpe1";
/// Interface with which deployments are created, changed and destroyed.
pub const CPE_MANAGER: &str = "org.cloudpolicy.Cpe1.Manager";
/// Interface of the event log.
pub const CPE_EVENTS: &str = "org.cloudpolicy.Cpe1.Events";
/// Interface of the hosts that share deployments.
pub const CPE_HOSTS: &str = "org.cloudpolicy.Cpe1.Hosts";
/// Interface of one deployment's object.
pub const CPE_DEPLOYMENT: &str = "org.cloudpolicy.Cpe1.Deployment";
/// Under this path lies one object per deployment; see [`deployment_path`].
pub const CPE_DEPLOYMENTS_PATH: &str = "/org/cloudpolicy/cpe1/deployment";
/// Prefix of the DPEs' well-known names (with the dot); see [`dpe_name`].
pub const DPE_NAME_PREFIX: &str = "org.cloudpolicy.Dpe1.";
/// Object of a DPE.
pub const DPE_PATH: &str = "/org/cloudpolicy/dpe1";
/// Interface of a DPE.
pub const DPE_INTERFACE: &str = "org.cloudpolicy.Dpe1";
/// Option of the DPE's Load: an array of names, of the assemblies in which services of the
/// deployment may run if that DPE has no state.
pub const IN_DOUBT: &str = "in-doubt";
/// Object of a guest agent, on a peer-to-peer connection.
pub const AGENT_PATH: &str = "/org/cloudpolicy/agent1";
/// Interface of a guest agent.
pub const AGENT_INTERFACE: &str = "org.cloudpolicy.Agent1";

/// Well-known name of the daemon that delivers events to others.
pub const NOTIFY_NAME: &str = "org.cloudpolicy.Notify1";
/// Object of that daemon.
pub const NOTIFY_PATH: &str = "/org/cloudpolicy/notify1";

/// What a deployment may be called, as messages say it: the rule of [`is_deployment_name`].
pub const DEPLOYMENT_NAME_RULE: &str =
    "use 1 to 63 characters a-z, 0-9 and `-`, not starting or ending with `-`";

/// Longest name of a deployment, an assembly or a service in bytes, as a DNS label.
pub const MAX_NAME: usize = 63;

/// Most bytes of a wrong name that a message repeats.
const MAX_SHOWN: usize = 80;

/// True for `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`: what deployments may be called.
pub fn is_deployment_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(&first), Some(&last)) => {
            bytes.len() <= MAX_NAME
                && plain(first)
                && plain(last)
                && bytes.iter().all(|&b| plain(b) || b == b'-')
        }
        _ => false,
    }
}

/// Lets the name of a deployment through.
///
/// # Errors
/// [`Error::InvalidArgument`] with the name and [`DEPLOYMENT_NAME_RULE`]; of a long name, with its
/// beginning.
pub fn check_deployment_name(name: &str) -> Result<()> {
    if is_deployment_name(name) {
        return Ok(());
    }
    let name = bounded(name, MAX_SHOWN);
    Err(Error::InvalidArgument(format!(
        "`{name}` is not a valid deployment name: {DEPLOYMENT_NAME_RULE}"
    )))
}

/// Escapes a name to a bus label: `web-1` → `web_2d1`, `3tier` → `_33tier`, the empty name → `_`.
pub fn escape_label(name: &str) -> String {
    if name.is_empty() {
        return "_".to_owned();
    }
    let mut label = String::with_capacity(name.len() + 8);
    for (at, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (byte.is_ascii_digit() && at > 0) {
            label.push(char::from(byte));
        } else {
            label.push_str(&format!("_{byte:02x}"));
        }
    }
    label
}

/// The name that [`escape_label`] made this label of; `None` if it did not make it.
pub fn unescape_label(label: &str) -> Option<String> {
    if label == "_" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(label.len());
    let mut rest = label.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'_' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    // One spelling per name: `_61` would be another label for `a`.
    (escape_label(&name) == label).then_some(name)
}

/// The DPE's well-known name: `shop-1` → `org.cloudpolicy.Dpe1.shop_2d1`.
pub fn dpe_name(deployment: &str) -> String {
    format!("{DPE_NAME_PREFIX}{}", escape_label(deployment))
}

/// The deployment whose DPE has this well-known name, or `None` if it is the name of something
/// else.
pub fn deployment_of_dpe_name(name: &str) -> Option<String> {
    unescape_label(name.strip_prefix(DPE_NAME_PREFIX)?)
}

/// The deployment's object in the CPE: `/org/cloudpolicy/cpe1/deployment/shop_2d1`.
pub fn deployment_path(deployment: &str) -> String {
    format!("{CPE_DEPLOYMENTS_PATH}/{}", escape_label(deployment))
}

/// The deployment of an object in the CPE, or `None` if the path is that of something else.
pub fn deployment_of_path(path: &str) -> Option<String> {
    unescape_label(path.strip_prefix(CPE_DEPLOYMENTS_PATH)?.strip_prefix('/')?)
}

/// The systemd unit of the deployment's DPE: `dpe@shop-1.service`. Deployment names need no
/// escaping in unit names because systemd reads `-` in an instance as itself unless `%I` is asked
/// for; units use `%i`.
pub fn dpe_unit(deployment: &str) -> String {
    format!("dpe@{deployment}.service")
}

/// The deployment of a DPE's unit, or `None` if it is another unit.
pub fn deployment_of_unit(unit: &str) -> Option<&str> {
    let name = unit.strip_prefix("dpe@")?.strip_suffix(".service")?;
    is_deployment_name(name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_escapes_what_a_bus_name_cannot_hold() {
        for (name, label) in [
            ("shop", "shop"),
            ("web-1", "web_2d1"),
            ("3tier", "_33tier"),
            ("", "_"),
            ("a_b", "a_5fb"),
        ] {
            assert_eq!(escape_label(name), label);
            assert_eq!(unescape_label(label).as_deref(), Some(name));
        }
        for label in ["_6", "_zz", "_61", "_ff", "a b"] {
            assert_eq!(unescape_label(label), None, "{label}");
        }
    }

    #[test]
    fn it_finds_the_deployment_of_every_name_it_makes() {
        let name = "shop-1";
        assert_eq!(
            deployment_of_dpe_name(&dpe_name(name)).as_deref(),
            Some(name)
        );
        assert_eq!(
            deployment_of_path(&deployment_path(name)).as_deref(),
            Some(name)
        );
        assert_eq!(deployment_of_unit(&dpe_unit(name)), Some(name));
        assert_eq!(deployment_of_unit("dpe@.service"), None);
        assert!(zbus::names::WellKnownName::try_from(dpe_name("3tier-")).is_ok());
        assert!(zbus::ObjectPath::try_from(deployment_path("3tier")).is_ok());
    }

    #[test]
    fn it_accepts_dns_labels_as_deployment_names_and_nothing_else() {
        for good in ["a", "shop", "shop-1", "0", &"a".repeat(63)] {
            assert!(is_deployment_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "ä", &"a".repeat(64)] {
            assert!(!is_deployment_name(bad), "{bad}");
        }
        assert!(check_deployment_name("shop").is_ok());
        assert_eq!(
            check_deployment_name("Shop").unwrap_err().message(),
            "`Shop` is not a valid deployment name: use 1 to 63 characters a-z, 0-9 and `-`, not starting or ending with `-`"
        );
        let long = check_deployment_name(&"x".repeat(100_000)).unwrap_err();
        assert!(long.message().len() < 200);
    }
}
