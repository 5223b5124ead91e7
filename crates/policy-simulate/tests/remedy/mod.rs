//! What the remedy of a code means, done to an input: for those codes where that is one change.

use policy_engine::explain::{Statement, Value, codes};
use policy_engine::xml::{Document, Element, ElementId};

/// Does what the remedy of a statement means. False: this module does not know its code.
pub(crate) fn apply(document: &mut Document, statement: &Statement) -> bool {
    let of = |name: &str| statement.text_of(name).unwrap_or_default().to_owned();
    let code = statement.code;
    if code == &codes::NO_FENCING_DEVICE {
        let resources = section(document, "resources");
        let device = document.append(resources, "primitive");
        for (name, value) in [("id", "new-device"), ("class", "stonith"), ("type", "x")] {
            document.set(device, name, value);
        }
    } else if code == &codes::CLUSTER_MAINTENANCE {
        option(document, "maintenance-mode", "false");
    } else if code == &codes::STOP_ALL {
        option(document, "stop-all-resources", "false");
    } else if [
        &codes::NO_QUORUM,
        &codes::NO_QUORUM_FREEZE,
        &codes::NO_QUORUM_DEMOTE,
    ]
    .contains(&code)
    {
        let root = document.root().id();
        document.set(root, "have-quorum", "true");
    } else if code == &codes::NODE_MAINTENANCE {
        of_node(document, &of("node"), "maintenance", "false");
    } else if code == &codes::NODE_STANDBY {
        of_node(document, &of("node"), "standby", "off");
    } else if code == &codes::MAINTENANCE {
        return meta(document, &of("set"), "maintenance", "false");
    } else if code == &codes::UNMANAGED {
        return meta(document, &of("set"), "is-managed", "true");
    } else if code == &codes::TARGET_ROLE_STOPPED {
        return meta(document, &of("set"), "target-role", "Started");
    } else if code == &codes::TARGET_ROLE_UNPROMOTED {
        return meta(document, &of("set"), "target-role", "Promoted");
    } else if [
        &codes::TICKET_MISSING,
        &codes::FROZEN_BY_TICKET,
        &codes::PART_TICKET,
    ]
    .contains(&code)
    {
        ticket(document, &of("ticket"));
    } else if [
        &codes::LEFTOVER_BAN,
        &codes::LEFTOVER_PREFER,
        &codes::PART_LEFTOVER,
    ]
    .contains(&code)
    {
        remove(document, |it| {
            it.name() == "rsc_location" && it.get("id") == Some(&of("constraint"))
        });
    } else if let Some(node) = cleanup(statement) {
        forget(document, &of("resource"), node.as_deref());
    } else if code == &codes::RESTART_AFTER {
        return clone_meta(document, &of("clone"), "interleave", "true");
    } else if code == &codes::PROMOTES_NONE {
        return clone_meta(document, &of("clone"), "promoted-max", "1");
    } else if code == &codes::OPT_IN {
        option(document, "symmetric-cluster", "true");
    } else {
        return placed_elsewhere(document, statement);
    }
    true
}

/// The same of what places a resource.
fn placed_elsewhere(document: &mut Document, statement: &Statement) -> bool {
    let of = |name: &str| statement.text_of(name).unwrap_or_default().to_owned();
    let code = statement.code;
    if [&codes::LOCATION, &codes::APART].contains(&code) {
        let id = of("constraint");
        remove(document, |it| {
            let is_it = it.get("id") == Some(&id);
            is_it && matches!(it.name(), "rsc_location" | "rsc_colocation")
        });
        return true;
    }
    if ![&codes::BEST, &codes::MOVED_FOR_BALANCE].contains(&code) {
        return false;
    }
    let mut parameters = statement.parameters.iter();
    let enough = parameters.find_map(|(name, value)| match value {
        Value::Number(number) if *name == "enough" => Some(number.to_string()),
        _ => None,
    });
    let Some(enough) = enough else { return false };
    let stickiness = ("resource-stickiness", enough.as_str());
    own_meta(document, &["primitive"], &of("resource"), stickiness)
}

/// Whether failures are to be forgotten, and on which node.
fn cleanup(statement: &Statement) -> Option<Option<String>> {
    let of = |name: &str| statement.text_of(name).map(str::to_owned);
    let everywhere = [&codes::FATAL, &codes::STOPPED_BY_FAILURE, &codes::BLOCKED];
    let by_node = [
        &codes::BLOCKED_BY_STOP,
        &codes::BLOCKED_INSTEAD_OF_FENCED,
        &codes::BLOCKED_BY_FAILURE,
    ];
    let failed_on = [
        &codes::FAILED_THERE,
        &codes::FAILED_TOO_OFTEN,
        &codes::NOT_INSTALLED,
    ];
    match statement.code {
        code if everywhere.contains(&code) => Some(None),
        code if by_node.contains(&code) => Some(of("node")),
        code if failed_on.contains(&code) => Some(of("failed_on")),
        code if code == &codes::NODE_STANDBY_ON_FAIL => Some(of("node")),
        _ => None,
    }
}

fn all(document: &Document, wanted: impl Fn(Element<'_>) -> bool) -> Vec<ElementId> {
    let all = document.root().descendants();
    all.filter(|it| wanted(*it)).map(Element::id).collect()
}

fn remove(document: &mut Document, wanted: impl Fn(Element<'_>) -> bool) {
    all(document, wanted)
        .into_iter()
        .for_each(|id| document.remove(id));
}

fn section(document: &mut Document, name: &str) -> ElementId {
    let known = document.section(name).map(Element::id);
    known.unwrap_or_else(|| {
        let configuration = document.root().child("configuration").map(Element::id);
        document.append(configuration.unwrap(), name)
    })
}

/// A pair in a set.
fn pair(document: &mut Document, set: ElementId, name: &str, value: &str) {
    let known = document.element(set).children_named("nvpair");
    let mut known = known.filter(|pair| pair.get("name") == Some(name));
    let found = known.next().map(Element::id);
    drop(known);
    let pair = found.unwrap_or_else(|| document.append(set, "nvpair"));
    document.set(pair, "id", &format!("new-{name}"));
    document.set(pair, "name", name);
    document.set(pair, "value", value);
}

fn option(document: &mut Document, name: &str, value: &str) {
    let options = section(document, "crm_config");
    let old = document.element(options).descendants();
    let old = old.filter(|it| it.name() == "nvpair" && it.get("name") == Some(name));
    let old: Vec<ElementId> = old.map(Element::id).collect();
    old.into_iter().for_each(|id| document.remove(id));
    let set = document.element(options).child("cluster_property_set");
    let set = set.map(Element::id);
    let set = set.unwrap_or_else(|| document.append(options, "cluster_property_set"));
    pair(document, set, name, value);
}

/// A meta attribute in the set, or of the element, with that id.
fn meta(document: &mut Document, id: &str, name: &str, value: &str) -> bool {
    let holders = all(document, |it| {
        it.get("id") == Some(id) && !it.name().starts_with("lrm_")
    });
    let Some(holder) = holders.first().copied() else {
        return false;
    };
    match document.element(holder).get(name) {
        Some(_) => document.set(holder, name, value),
        None => pair(document, holder, name, value),
    }
    true
}

/// As `crm_resource --meta --set-parameter` sets it.
fn clone_meta(document: &mut Document, id: &str, name: &str, value: &str) -> bool {
    own_meta(document, &["clone", "master"], id, (name, value))
}

fn own_meta(
    document: &mut Document,
    kinds: &[&str],
    id: &str,
    (name, value): (&str, &str),
) -> bool {
    let clones = all(document, |it| {
        kinds.contains(&it.name()) && it.get("id") == Some(id)
    });
    let Some(clone) = clones.first().copied() else {
        return false;
    };
    let set = document.element(clone).child("meta_attributes");
    let set = set.map(Element::id);
    let set = set.unwrap_or_else(|| document.prepend(clone, "meta_attributes"));
    pair(document, set, name, value);
    true
}

fn of_node(document: &mut Document, node: &str, name: &str, value: &str) {
    let holders = all(document, |it| {
        let is_node = matches!(it.name(), "node" | "node_state");
        is_node && (it.get("uname") == Some(node) || it.get("id") == Some(node))
    });
    for holder in holders {
        let pairs = document.element(holder).descendants();
        let pairs = pairs.filter(|it| it.name() == "nvpair" && it.get("name") == Some(name));
        let pairs: Vec<ElementId> = pairs.map(Element::id).collect();
        pairs
            .into_iter()
            .for_each(|pair| document.set(pair, "value", value));
    }
}

fn ticket(document: &mut Document, name: &str) {
    let states = all(document, |it| {
        it.name() == "ticket_state" && it.get("id") == Some(name)
    });
    let state = states.first().copied().unwrap_or_else(|| {
        let status = section(document, "status");
        let tickets = document.element(status).child("tickets").map(Element::id);
        let tickets = tickets.unwrap_or_else(|| document.append(status, "tickets"));
        document.append(tickets, "ticket_state")
    });
    document.set(state, "id", name);
    document.set(state, "granted", "true");
    document.set(state, "standby", "false");
}

/// As `crm_resource --cleanup` forgets: failed operations and fail counts.
fn forget(document: &mut Document, resource: &str, node: Option<&str>) {
    let is_its = |name: Option<&str>| {
        let name = name.unwrap_or_default();
        let base = name.split_once(':').map_or(name, |(base, _)| base);
        base == resource || name == resource
    };
    let on_node = |it: Element<'_>| {
        let mut above = Some(it);
        while let Some(element) = above {
            if element.name() == "node_state" {
                let names = [element.get("uname"), element.get("id")];
                return node.is_none_or(|node| names.contains(&Some(node)));
            }
            above = element.parent();
        }
        false
    };
    remove(document, |it| {
        let failure = it.name() == "nvpair"
            && it.get("name").is_some_and(|name| {
                let rest = name.strip_prefix("fail-count-");
                let rest = rest.or(name.strip_prefix("last-failure-"));
                rest.is_some_and(|rest| is_its(rest.split('#').next()))
            });
        let history = it.name() == "lrm_resource" && is_its(it.get("id"));
        (failure || history) && on_node(it)
    });
}
