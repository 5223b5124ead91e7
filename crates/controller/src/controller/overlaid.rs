//! The configuration with what administrators want of single services beside the document.
//!
//! Moves and bans are location constraints, with the ids that Pacemaker's tools give theirs. What
//! is disabled, restarted or unmanaged gets a set of meta attributes that is stronger than all
//! others, and so does all that it contains, since a member's own would count more than its
//! group's.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use cpe_status::{OverlayKind, ResourceStatus};
use policy_engine::xml::{self, Writer};

use crate::machines::overlay::{Overlay, OverlayFacts};
use crate::machines::values::BanFacts;
use crate::vocabulary::{AssemblyId, OverlayKey, ServiceId};

/// Bans that guests have set.
type Bans = BTreeMap<(AssemblyId, ServiceId), BanFacts>;

/// What the overlay says about one element of the configuration.
type Options = BTreeMap<&'static str, &'static str>;

/// The id of the location constraint of a move or a ban; `None`: it is neither. The one that
/// Pacemaker's tools would give it, unless the configuration or a guest has one of that id.
pub(super) fn constraint_id(key: &OverlayKey, configuration: &str, bans: &Bans) -> Option<String> {
    let (service, assembly) = (&key.service, key.assembly.as_ref()?);
    let id = match key.kind {
        OverlayKind::Move => format!("cli-prefer-{service}"),
        OverlayKind::Ban => format!("cli-ban-{service}-on-{assembly}"),
        _ => return None,
    };
    let is_taken = configuration.contains(&format!("\"{id}\""))
        || configuration.contains(&format!("'{id}'"))
        || bans.contains_key(&(assembly.clone(), service.clone()));
    Some(if is_taken {
        format!("{id}.overlay")
    } else {
        id
    })
}

/// The location constraints of moves and bans.
pub(super) fn constraints(overlay: &Overlay, configuration: &str, bans: &Bans) -> String {
    let mut xml = Writer::new();
    for (key, facts) in overlay {
        let (Some(id), Some(assembly)) = (constraint_id(key, configuration, bans), &key.assembly)
        else {
            continue;
        };
        xml.open("rsc_location")
            .attribute("id", &id)
            .attribute("rsc", key.service.as_str())
            .attribute("role", role(facts))
            .attribute("node", assembly.as_str())
            .attribute("score", score(key.kind))
            .close();
    }
    xml.finish()
}

fn role(facts: &OverlayFacts) -> &'static str {
    if facts.promoted {
        "Promoted"
    } else {
        "Started"
    }
}

fn score(kind: OverlayKind) -> &'static str {
    match kind {
        OverlayKind::Move => "INFINITY",
        _ => "-INFINITY",
    }
}

/// A configuration in which services are disabled and left alone as the overlay says.
pub(super) fn with_options<'a>(
    text: Cow<'a, str>,
    overlay: &Overlay,
    resources: &[ResourceStatus],
) -> Cow<'a, str> {
    let wanted = wanted(overlay, resources);
    if wanted.is_empty() {
        return text;
    }
    let Ok(mut document) = xml::parse(&text) else {
        return text;
    };
    let is_resource = |name: &str| matches!(name, "primitive" | "group" | "clone" | "bundle");
    let elements: Vec<_> = document
        .root()
        .descendants()
        .filter(|element| is_resource(element.name()))
        .filter_map(|element| Some((element.id(), element.get("id")?.to_owned())))
        .collect();
    for (element, id) in elements {
        let Some(wanted) = wanted.get(id.as_str()) else {
            continue;
        };
        let set = document.append(element, "meta_attributes");
        document.set(set, "id", &format!("overlay.{id}"));
        document.set(set, "score", "INFINITY");
        for (name, value) in wanted {
            let pair = document.append(set, "nvpair");
            document.set(pair, "id", &format!("overlay.{id}.{name}"));
            document.set(pair, "name", name);
            document.set(pair, "value", value);
        }
    }
    let mut xml = Writer::new();
    xml.element(document.root());
    Cow::Owned(xml.finish())
}

/// What is wanted of each element: of what an entry names, and of all that it contains.
fn wanted<'a>(overlay: &Overlay, resources: &'a [ResourceStatus]) -> BTreeMap<&'a str, Options> {
    let mut wanted: BTreeMap<&str, Options> = BTreeMap::new();
    for key in overlay.keys() {
        let (name, value) = match key.kind {
            OverlayKind::Disable | OverlayKind::Restart => ("target-role", "Stopped"),
            OverlayKind::Unmanage => ("is-managed", "false"),
            _ => continue,
        };
        for own in elements(resources, key.service.as_str()) {
            wanted.entry(own).or_default().insert(name, value);
        }
    }
    wanted
}

/// The names of an element of the tree and of all that it contains.
fn elements<'a>(resources: &'a [ResourceStatus], name: &str) -> BTreeSet<&'a str> {
    let mut all = resources.iter().flat_map(ResourceStatus::all);
    let own = all.find(|own| own.name == name);
    let own = own.into_iter().flat_map(ResourceStatus::all);
    own.map(|own| own.name.as_str()).collect()
}
