//! Parameter digests (scheduler-spec/02 §20, 05 §4.4, §4.5).

use md5::{Digest as _, Md5};

use super::{caches, operations, parameters};
use crate::model::{Cluster, FEATURE_SET, NodeId, ResourceId, Table, Task, Text};
use crate::scalar;
use crate::xml::{Element, Writer};

/// How a history entry compares with the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Comparison {
    /// Same definition.
    Match,
    /// Something changed.
    Changed,
    /// Only private parameters changed: of fence devices, for unfencing.
    PrivateChanged,
    /// Something changed that needs a restart.
    Restart,
    /// The entry has no digest.
    Unknown,
}

/// Digests of one operation on one node.
#[derive(Clone, Debug)]
pub(crate) struct Digests {
    /// Of all parameters.
    pub all: String,
    /// Of the parameters that force a restart, if the first entry seen had a restart digest.
    pub restart: Option<String>,
    /// Of the parameters that are not private.
    pub secure: Option<String>,
    /// Kept result (02 §20.4).
    pub result: Comparison,
}

/// Calculates (or takes from the cache) the digests of an operation on a node, compares `entry`
/// with them, and keeps the result. Entries in `Cluster::poisoned_digests` count as having a
/// restart digest that never matches (02 §10.4 1d).
pub(crate) fn compare(
    cluster: &Cluster,
    resource: ResourceId,
    task: &Task,
    interval_ms: u32,
    node: NodeId,
    entry: Element<'_>,
) -> Digests {
    let key = (node, resource, task.clone(), interval_ms);
    let known = caches::of(cluster).digests.borrow().get(&key).cloned();
    let mut digests =
        known.unwrap_or_else(|| calculate(cluster, resource, task, interval_ms, node, Some(entry)));
    let poisoned = cluster.poisoned_digests.contains(&entry.id());
    let restart_differs = digests.restart.as_deref().is_some_and(|calculated| {
        let recorded = entry.get("op-restart-digest");
        poisoned || recorded.is_some_and(|recorded| recorded != calculated)
    });
    digests.result = if restart_differs {
        Comparison::Restart
    } else {
        match entry.get("op-digest") {
            None => Comparison::Unknown,
            Some(recorded) if recorded == digests.all => Comparison::Match,
            Some(_) if interval_ms == 0 && digests.result == Comparison::Restart => {
                Comparison::Restart
            }
            Some(_) => Comparison::Changed,
        }
    };
    let mut cache = caches::of(cluster).digests.borrow_mut();
    cache.insert(key, digests.clone());
    digests
}

/// Digests of a fence device for unfencing a node (02 §20.6): cache key `stonith-on`, no entry.
/// `result` is the comparison with the node's `#digests-all` and `#digests-secure`.
pub(crate) fn unfencing(cluster: &Cluster, device: ResourceId, node: NodeId) -> Digests {
    let task = Task::Other("stonith-on".into());
    let key = (node, device, task.clone(), 0);
    let known = caches::of(cluster).digests.borrow().get(&key).cloned();
    let mut digests = known.unwrap_or_else(|| calculate(cluster, device, &task, 0, node, None));
    let resource = cluster.resource(device);
    let recorded = |attribute: &str, digest: &str| {
        let text = cluster.node(node).attributes.text(attribute)?;
        let wanted = format!("{}:{}:{digest}", resource.id, resource.agent.kind);
        Some(text.contains(&wanted))
    };
    let secure = digests.secure.as_deref().unwrap_or_default();
    digests.result = match recorded("#digests-all", &digests.all) {
        None => Comparison::Unknown,
        Some(true) => Comparison::Match,
        Some(false) if recorded("#digests-secure", secure) == Some(true) => {
            Comparison::PrivateChanged
        }
        Some(false) => Comparison::Changed,
    };
    let mut cache = caches::of(cluster).digests.borrow_mut();
    cache.insert(key, digests.clone());
    digests
}

/// The digests of an operation (02 §20.2, §20.3). `entry`: the first history entry that asks for
/// them; it says which parameters force a restart and which are private. Without entry: unfencing.
fn calculate(
    cluster: &Cluster,
    resource: ResourceId,
    task: &Task,
    interval_ms: u32,
    node: NodeId,
    entry: Option<Element<'_>>,
) -> Digests {
    let of_resource = parameters::of_resource(cluster, resource, Some(node));
    let of_operation = parameters::of_operation(cluster, resource, task, interval_ms, Some(node));
    let mut all = Table::new();
    if let Some(address) = own_address(cluster, resource, &of_resource) {
        all.set("addr", address);
    }
    for (name, value) in of_resource.iter().chain(of_operation.iter()) {
        all.set_if_absent(name.clone(), value.clone());
    }
    let timeout = (interval_ms > 0).then(|| {
        let options = operations::options(cluster, resource, task, interval_ms, Some(node));
        options.timeout_ms.to_string()
    });
    let timeout = timeout.as_deref();
    let hashed = || {
        let hashed = pairs(&all).filter(|(name, _)| is_hashed(name));
        hashed.chain(timeout.map(|timeout| ("CRM_meta_timeout", timeout)))
    };
    let is_restart_asked = |entry: &Element<'_>| {
        entry.get("op-restart-digest").is_some() || cluster.poisoned_digests.contains(&entry.id())
    };
    let restart = entry.filter(is_restart_asked).map(|entry| {
        let names = entry.get("op-force-restart");
        let forces = |name: &str| {
            names.is_none_or(|names| names.split_ascii_whitespace().any(|n| n == name))
        };
        of_parameters(hashed().filter(|(name, _)| forces(name)))
    });
    let secure = (cluster.run.sanitized || entry.is_none())
        .then(|| of_public(cluster, resource, &of_resource, &all, entry));
    let forces_restart = interval_ms == 0 && !of_operation.is_empty();
    Digests {
        all: of_parameters(hashed()),
        restart,
        secure,
        result: match forces_restart {
            true => Comparison::Restart,
            false => Comparison::Match,
        },
    }
}

/// The address of a bundle's connection, if its parameters say `#uname`: where the container is.
fn own_address(cluster: &Cluster, resource: ResourceId, parameters: &Table) -> Option<Text> {
    if parameters.text("addr") != Some("#uname") {
        return None;
    }
    let (_, replica) = cluster.replica_of(resource)?;
    if replica.connection != Some(resource) {
        return None;
    }
    let assigned = cluster.resource(replica.container).assigned;
    let host = assigned.or_else(|| cluster.current_node(replica.container))?;
    Some(cluster.node(host).name.clone())
}

/// The digest of parameters that are not private. `all`: those of the operation too.
fn of_public(
    cluster: &Cluster,
    resource: ResourceId,
    of_resource: &Table,
    all: &Table,
    entry: Option<Element<'_>>,
) -> String {
    let private = match entry {
        Some(entry) => entry.get("op-secure-params").unwrap_or_default(),
        None => "passwd password user",
    };
    let feature_set = entry
        .and_then(|entry| entry.get("crm_feature_set"))
        .or(cluster.options.feature_set.as_deref())
        .unwrap_or(FEATURE_SET);
    let is_old = scalar::compare_versions(feature_set, "3.16.0").is_lt();
    let is_fence_device = cluster.resource(resource).fence_device;
    let is_public = |name: &str| {
        is_hashed(name)
            && !private.split_ascii_whitespace().any(|n| n == name)
            && !(is_old && is_fence_device && is_fencing_parameter(name))
    };
    let source = if is_old { of_resource } else { all };
    of_parameters(pairs(source).filter(|(name, _)| is_public(name)))
}

fn pairs(table: &Table) -> impl Iterator<Item = (&str, &str)> {
    table.iter().map(|(name, value)| (&**name, &**value))
}

/// Whether a parameter takes part in digests (02 §20.2). The timeout of recurring operations does
/// too, without being a parameter.
fn is_hashed(name: &str) -> bool {
    const LEFT_OUT: [&str; 6] = [
        "id",
        "crm_feature_set",
        "op-digest",
        "on_node",
        "on_node_uuid",
        "pcmk_external_ip",
    ];
    !name.starts_with("CRM_meta_") && !LEFT_OUT.contains(&name)
}

/// Parameters of fence devices that the fencer handles, not the agent (02 §20.3).
fn is_fencing_parameter(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "provides",
        "stonith-timeout",
        "pcmk_action_limit",
        "pcmk_delay_base",
        "pcmk_delay_max",
        "pcmk_host_argument",
        "pcmk_host_check",
        "pcmk_host_list",
        "pcmk_host_map",
    ];
    let of_action = name.strip_prefix("pcmk_").is_some_and(|rest| {
        ["_action", "_timeout", "_retries"]
            .iter()
            .any(|end| rest.ends_with(end))
    });
    of_action || NAMES.contains(&name)
}

/// MD5 of ` <parameters …/>\n` over `parameters` sorted by name (02 §20.1), lower-case hex.
pub(crate) fn of_parameters<'a>(
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut sorted: Vec<_> = parameters.into_iter().collect();
    sorted.sort_unstable();
    let mut xml = Writer::new();
    xml.verbatim(" ");
    xml.open("parameters").attributes(sorted).close();
    let mut hex = String::with_capacity(32);
    for byte in Md5::digest(xml.finish().as_bytes()) {
        for digit in [byte >> 4, byte & 15] {
            hex.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    hex
}

/// The digest that the executor of an action records as `op-digest`: over the action's graph
/// attributes after the filter of 02 §20.2 (last paragraph).
pub fn of_attributes<'a>(attributes: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let attributes: Vec<_> = attributes.into_iter().collect();
    let interval = attributes
        .iter()
        .find(|(name, _)| *name == "CRM_meta_interval");
    let is_recurring = interval
        .and_then(|(_, value)| scalar::integer(value))
        .is_some_and(|ms| ms != 0);
    of_parameters(
        attributes
            .into_iter()
            .filter(|(name, _)| is_hashed(name) || (is_recurring && *name == "CRM_meta_timeout")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_that_executors_record() {
        assert_eq!(of_parameters([]), "f2317cad3d54cec5d7d7aa7d0bf35cf8");
        let recurring = [
            ("CRM_meta_name", "monitor"),
            ("CRM_meta_timeout", "20000"),
            ("CRM_meta_interval", "10000"),
            ("crm_feature_set", "3.20.0"),
        ];
        assert_eq!(of_attributes(recurring), "4811cef7f7f94e3a35a70be7916cb2fd");
        let once = [("CRM_meta_name", "start"), ("CRM_meta_timeout", "20000")];
        assert_eq!(of_attributes(once), "f2317cad3d54cec5d7d7aa7d0bf35cf8");
    }

    #[test]
    fn parameters_are_sorted_and_escaped() {
        let one = of_parameters([("b", "1"), ("a", "<&\n")]);
        assert_eq!(one, of_parameters([("a", "<&\n"), ("b", "1")]));
        assert_ne!(one, of_parameters([("a", "<&\t"), ("b", "1")]));
    }
}
