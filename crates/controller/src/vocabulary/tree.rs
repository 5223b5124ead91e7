//! The services of a configuration as a tree, and its options, for those who ask.

use std::collections::BTreeMap;

use cpe_status::{ResourceKind, ResourceStatus};
use policy_engine::model::{
    Cluster, ClusterOptions, Content, Definition, Resource, ResourceId, Variant,
};
use policy_engine::xml::Element;
use policy_engine::{Cib, RunOptions, Score};

/// The services of `<configuration>…</configuration>`, which was accepted, and its options.
pub(super) fn tree_and_options(text: &str) -> (Vec<ResourceStatus>, BTreeMap<String, String>) {
    let cib = Cib::parse_accepted(&format!("<cib>{text}</cib>"));
    cib.map_or_else(|_| Default::default(), |cib| (tree(&cib), options(&cib)))
}

/// Groups, clones and bundles with what they contain, in the order of the configuration.
fn tree(cib: &Cib) -> Vec<ResourceStatus> {
    let cluster = policy_engine::load(cib, 0, RunOptions::default());
    let top = cluster.top_level.iter();
    top.map(|id| element(&cluster, *id, 1)).collect()
}

/// Cluster options by name, of sets without rules (scheduler-spec/01 §4).
fn options(cib: &Cib) -> BTreeMap<String, String> {
    let section = cib.document().root().child("configuration");
    let section = section.and_then(|it| it.child("crm_config"));
    let sets = section.into_iter().flat_map(|it| it.children());
    let mut sets: Vec<_> = sets.filter(|set| set.child("rule").is_none()).collect();
    let known = ClusterOptions::default();
    let score = |set: &Element<'_>| set.get("score").and_then(|text| known.score(text));
    // The last one wins, and in it the first of a name.
    sets.sort_by_key(|set| {
        let is_first = set.get("id") == Some("cib-bootstrap-options");
        (is_first, score(set).unwrap_or(Score::ZERO))
    });
    let pairs = sets.iter().flat_map(|set| {
        let mut pairs: Vec<_> = set.children().collect();
        pairs.reverse();
        pairs
    });
    pairs
        .filter_map(|pair| Some((pair.get("name")?.to_owned(), pair.get("value")?.to_owned())))
        .collect()
}

/// `instances`: how many there are of what contains it.
fn element(cluster: &Cluster, id: ResourceId, instances: u32) -> ResourceStatus {
    let resource = cluster.resource(id);
    let plain = ResourceStatus {
        name: resource.config_id.to_string(),
        instances,
        ..ResourceStatus::default()
    };
    match &resource.variant {
        Variant::Primitive => ResourceStatus {
            kind: ResourceKind::Service,
            agent: agent(resource),
            ..plain
        },
        Variant::Group(_) => ResourceStatus {
            kind: ResourceKind::Group,
            members: members(cluster, &resource.children, instances),
            ..plain
        },
        Variant::Clone(data) => {
            let instances = u32::try_from(data.clone_max).unwrap_or(0);
            let members = match (resource.children.first(), &data.child) {
                // The first instance stands for all.
                (Some(first), _) => vec![element(cluster, *first, instances)],
                (None, Some(definition)) => vec![defined(definition)],
                (None, None) => Vec::new(),
            };
            let first = resource.children.first();
            ResourceStatus {
                kind: ResourceKind::Clone,
                unique: first.is_some_and(|first| cluster.resource(*first).unique),
                promotable: resource.promotable,
                instances,
                members,
                ..plain
            }
        }
        Variant::Bundle(data) => ResourceStatus {
            kind: ResourceKind::Bundle,
            instances: u32::try_from(data.replica_count).unwrap_or(0),
            members: members(cluster, &resource.children, 1),
            ..plain
        },
    }
}

fn members(cluster: &Cluster, ids: &[ResourceId], instances: u32) -> Vec<ResourceStatus> {
    let ids = ids.iter();
    ids.map(|id| element(cluster, *id, instances)).collect()
}

/// What is cloned, of a clone that has no instances.
fn defined(definition: &Definition) -> ResourceStatus {
    let (kind, members) = match &definition.content {
        Content::Group(members) => (
            ResourceKind::Group,
            members.iter().map(|member| defined(member)).collect(),
        ),
        _ => (ResourceKind::Service, Vec::new()),
    };
    ResourceStatus {
        name: definition.id.to_string(),
        kind,
        members,
        ..ResourceStatus::default()
    }
}

fn agent(resource: &Resource) -> String {
    let agent = &resource.agent;
    match &agent.provider {
        Some(provider) => format!("{}:{provider}:{}", agent.class, agent.kind),
        None => format!("{}:{}", agent.class, agent.kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name[member member]`, with what is said of a clone after its name.
    fn text(tree: &[ResourceStatus]) -> String {
        let parts = tree.iter().map(|element| {
            let mut text = element.name.clone();
            if element.kind != ResourceKind::Service {
                text += &format!(":{}", element.kind);
            }
            for (is_so, word) in [
                (element.unique, " unique"),
                (element.promotable, " promotable"),
                (element.instances != 1, &*format!(" {}", element.instances)),
            ] {
                text += if is_so { word } else { "" };
            }
            match element.members.is_empty() {
                true => text,
                false => format!("{text}[{}]", self::text(&element.members)),
            }
        });
        parts.collect::<Vec<_>>().join(", ")
    }

    fn of(resources: &str) -> String {
        let nodes: String = (1..=3)
            .map(|n| format!("<node id=\"n{n}\" uname=\"n{n}\"/>"))
            .collect();
        let (tree, _) = tree_and_options(&format!(
            "<configuration><crm_config/><nodes>{nodes}</nodes><resources>{resources}</resources><constraints/></configuration>"
        ));
        text(&tree)
    }

    fn primitive(id: &str) -> String {
        format!("<primitive id=\"{id}\" class=\"ocf\" provider=\"sim\" type=\"Simulated\"/>")
    }

    fn meta(id: &str, name: &str, value: &str) -> String {
        format!(
            "<meta_attributes id=\"{id}\"><nvpair id=\"{id}-1\" name=\"{name}\" value=\"{value}\"/></meta_attributes>"
        )
    }

    #[test]
    fn groups_and_clones_contain_what_the_configuration_says_in_its_order() {
        let group = format!(
            "<group id=\"g\">{}{}</group>",
            primitive("b"),
            primitive("a")
        );
        assert_eq!(
            of(&format!("{}{group}", primitive("z"))),
            "z, g:group[b, a]"
        );
        let clone = format!("<clone id=\"c\">{group}</clone>");
        assert_eq!(of(&clone), "c:clone 3[g:group 3[b 3, a 3]]");
    }

    #[test]
    fn a_clone_says_whether_its_instances_can_be_told_apart_and_promoted() {
        let unique = meta("m", "globally-unique", "true");
        let clone = format!("<clone id=\"c\">{unique}{}</clone>", primitive("a"));
        assert_eq!(of(&clone), "c:clone unique 3[a 3]");
        let promotable = meta("m", "promotable", "true");
        let clone = format!("<clone id=\"c\">{promotable}{}</clone>", primitive("a"));
        assert_eq!(of(&clone), "c:clone promotable 3[a 3]");
        let none = meta("m", "clone-max", "0");
        let clone = format!("<clone id=\"c\">{none}{}</clone>", primitive("a"));
        assert_eq!(of(&clone), "c:clone 0[a 0]");
    }

    #[test]
    fn options_are_those_of_the_strongest_set() {
        let set = |id: &str, inner: &str, value: &str| {
            format!(
                "<cluster_property_set id=\"{id}\">{inner}<nvpair id=\"{id}-a\" name=\"a\" value=\"{value}\"/></cluster_property_set>"
            )
        };
        let of = |sets: &str| {
            let (_, options) = tree_and_options(&format!(
                "<configuration><crm_config>{sets}</crm_config></configuration>"
            ));
            options
        };
        let two = set("x", "", "1") + &set("y", "", "2");
        assert_eq!(of(&two)["a"], "2");
        let first = set("cib-bootstrap-options", "", "3") + &two;
        assert_eq!(of(&first)["a"], "3");
        let scored = set("w", "", "5").replace("id=\"w\"", "id=\"w\" score=\"7\"") + &two;
        assert_eq!(of(&scored)["a"], "5");
        let twice = set("v", "<nvpair id=\"v-0\" name=\"a\" value=\"6\"/>", "7");
        assert_eq!(of(&twice)["a"], "6");
        let ruled = set("z", "<rule id=\"r\"/>", "4");
        assert!(of(&ruled).is_empty());
    }

    #[test]
    fn a_bundle_contains_the_containers_and_addresses_of_its_replicas() {
        let bundle = "<bundle id=\"b\"><podman image=\"i\" replicas=\"2\"/>\
                      <network ip-range-start=\"10.0.0.1\"/></bundle>";
        assert_eq!(
            of(bundle),
            "b:bundle 2[b-podman-0, b-ip-10.0.0.1, b-podman-1, b-ip-10.0.0.2]"
        );
    }
}
