//! Roles and actions that only promotable clones have, asked of other resources: the policy engine
//! waits for them in vain (scheduler-spec/01 §13.4, §14; scheduler-spec/03 §3, §4).

use std::collections::{HashMap, HashSet};

use policy_engine::model::Role;

use crate::model::{Deployment, resource_id};
use crate::problem::{Problems, quote};
use crate::tree::Element;
use crate::value;

/// What a constraint says of a resource: the attribute that names it, and the one that asks for a
/// role or an action.
const ASKED: &[(&str, &str, &str)] = &[
    ("rsc_location", "rsc", "role"),
    ("rsc_colocation", "rsc", "rsc-role"),
    ("rsc_colocation", "with-rsc", "with-rsc-role"),
    ("rsc_order", "first", "first-action"),
    ("rsc_order", "then", "then-action"),
    ("rsc_ticket", "rsc", "rsc-role"),
];

const HINT: &str = "only a <clone> with the meta attribute promotable=true is promoted: put the resource into one, or leave this out";

/// Warns of roles that no instance of their resource ever has.
pub(super) fn check(configuration: &Element<'_>, deployment: &Deployment, problems: &mut Problems) {
    let resources = Resources::of(configuration, deployment);
    configuration.visit(&mut |element| match element.name {
        "primitive" | "group" | "clone" => own_role(element, &resources, problems),
        "rsc_location" | "rsc_colocation" | "rsc_order" | "rsc_ticket" => {
            constraint(element, &resources, problems);
        }
        "resource_set" => set(element, &resources, problems),
        _ => {}
    });
}

/// The resources whose instances are never promoted, by id. Those of which only the policy engine
/// knows are not among them.
struct Resources {
    never: HashSet<String>,
}

impl Resources {
    fn of(configuration: &Element<'_>, deployment: &Deployment) -> Resources {
        // The short forms have no promotable clones.
        let services = deployment.services.iter();
        let services = services.map(|it| resource_id(&it.id, it.instances));
        let groups = deployment.groups.iter();
        let groups = groups.map(|it| resource_id(&it.id, it.instances));
        let mut never: HashSet<String> = services.chain(groups).collect();
        let promotable = Promotable::of(configuration);
        let sections = configuration.children.iter();
        let sections = sections.filter(|it| it.name == "resources" && !promotable.by_default);
        for resource in sections.flat_map(|section| &section.children) {
            if !(resource.name == "clone" && promotable.may_be(resource)) {
                resource.visit(&mut |inner| {
                    if matches!(inner.name, "primitive" | "group" | "clone") {
                        never.extend(inner.value("id").map(str::to_owned));
                    }
                });
            }
        }
        Resources { never }
    }

    fn is_never_promoted(&self, id: Option<&str>) -> bool {
        id.is_some_and(|id| self.never.contains(id))
    }
}

/// Which clones may be promotable.
pub(super) struct Promotable<'e> {
    sets: HashMap<&'e str, &'e Element<'e>>,
    by_default: bool,
}

impl<'e> Promotable<'e> {
    pub(super) fn of(configuration: &'e Element<'e>) -> Promotable<'e> {
        let mut sets = HashMap::new();
        configuration.visit(&mut |element| {
            if element.name == "meta_attributes" {
                sets.extend(element.value("id").map(|id| (id, element)));
            }
        });
        // A set may refer to a later one: all must be known before.
        let sections = configuration.children.iter();
        let mut defaults = sections.filter(|it| it.name == "rsc_defaults");
        let by_default = defaults.any(|section| says_promotable(section, &sets));
        Promotable { sets, by_default }
    }

    /// Whether a clone is promotable, under whatever rule.
    pub(super) fn may_be(&self, clone: &Element<'_>) -> bool {
        self.by_default || says_promotable(clone, &self.sets)
    }
}

/// Whether a meta attribute of the element makes it promotable, under whatever rule.
fn says_promotable(element: &Element<'_>, sets: &HashMap<&str, &Element<'_>>) -> bool {
    let own = element.children.iter();
    let own = own.filter(|it| it.name == "meta_attributes");
    own.into_iter().any(|set| {
        let referred = set.value("id-ref").and_then(|id| sets.get(id).copied());
        let mut pairs = referred.unwrap_or(set).children.iter();
        pairs.any(|pair| {
            // The value of one with `id-ref` stands elsewhere.
            let says_no = pair
                .value("value")
                .is_some_and(|it| value::boolean(it) == Ok(false));
            let is_it = pair.value("name") == Some("promotable") || pair.has("id-ref");
            is_it && !says_no
        })
    })
}

/// A role that only instances of promotable clones have.
fn is_of_promotable(role: &str) -> bool {
    matches!(Role::parse(role), Some(Role::Promoted | Role::Unpromoted))
}

/// `target-role`, and operations of one role.
fn own_role(resource: &Element<'_>, resources: &Resources, problems: &mut Problems) {
    if !resources.is_never_promoted(resource.value("id")) {
        return;
    }
    let id = resource.value("id").unwrap_or_default();
    let sets = resource.children.iter();
    let sets = sets.filter(|it| matches!(it.name, "meta_attributes" | "operations"));
    for inner in sets.flat_map(|set| &set.children) {
        match (inner.name, inner.value("name"), inner.value("value")) {
            ("nvpair", Some("target-role"), Some(role)) if is_of_promotable(role) => {
                let message = format!("target-role {} has no effect", quote(role));
                report(message, id, inner.place("value"), problems);
            }
            ("op", Some(name), _) if inner.value("role").is_some_and(is_of_promotable) => {
                let role = quote(inner.value("role").unwrap_or_default());
                let message = format!("the operation {} of role {role} never runs", quote(name));
                report(message, id, inner.place("role"), problems);
            }
            _ => {}
        }
    }
}

fn constraint(element: &Element<'_>, resources: &Resources, problems: &mut Problems) {
    for (name, resource, asks) in ASKED {
        let id = element.value(resource);
        if *name == element.name && resources.is_never_promoted(id) {
            asked(element, asks, id.unwrap_or_default(), problems);
            let rules = element.children.iter().filter(|it| it.name == "rule");
            for rule in rules {
                asked(rule, "role", id.unwrap_or_default(), problems);
            }
        }
    }
}

fn set(element: &Element<'_>, resources: &Resources, problems: &mut Problems) {
    let members = element.children.iter().filter_map(|it| it.value("id"));
    let mut members = members.filter(|id| resources.is_never_promoted(Some(id)));
    if let Some(first) = members.next() {
        asked(element, "role", first, problems);
        asked(element, "action", first, problems);
    }
}

/// Reports what the attribute asks for, if the resource never has or does it.
fn asked(element: &Element<'_>, attribute: &str, id: &str, problems: &mut Problems) {
    let Some(value) = element.value(attribute) else {
        return;
    };
    let is_action = attribute.ends_with("action");
    let found = match is_action {
        true if matches!(value, "promote" | "demote") => "is never done",
        false if is_of_promotable(value) => "never comes",
        _ => return,
    };
    let what = if is_action { "action" } else { "role" };
    let message = format!("the {what} {} {found}", quote(value));
    report(message, id, element.place(attribute), problems);
}

fn report(message: String, id: &str, at: usize, problems: &mut Problems) {
    let message = format!("{message}: {} is never promoted", quote(id));
    problems.warning(at, message, HINT.to_owned());
}

#[cfg(test)]
mod tests {
    /// The warnings about a configuration of a primitive `db` and a promotable clone `kept`.
    fn warnings(of_db: &str, constraints: &str) -> Vec<String> {
        warnings_with(of_db, constraints, "")
    }

    /// The same with another section.
    fn warnings_with(of_db: &str, constraints: &str, section: &str) -> Vec<String> {
        let text = format!(
            r#"<deployable name="shop"><assemblies><assembly name="a" address="unix:/a"/></assemblies><services><service name="short" class="ocf" provider="heartbeat" type="Dummy"/></services>
<configuration><resources>
<primitive id="db" class="ocf" provider="heartbeat" type="Dummy">{of_db}</primitive>
<clone id="kept"><meta_attributes id="kept-m"><nvpair id="kept-p" name="promotable" value="true"/></meta_attributes>
<primitive id="inner" class="ocf" provider="pacemaker" type="Stateful"><operations><op id="m" name="monitor" interval="9s" role="Promoted"/></operations></primitive></clone>
</resources><constraints>
{constraints}
</constraints>{section}</configuration></deployable>"#
        );
        let outcome = crate::read_with_warnings(text.as_bytes());
        assert!(outcome.deployment.is_some(), "{:#?}", outcome.problems);
        let problems = outcome.problems.iter().map(ToString::to_string);
        problems.filter(|it| it.contains("promoted")).collect()
    }

    #[test]
    fn roles_of_a_promotable_clone_are_accepted_in_silence() {
        let constraints = r#"<rsc_location id="l" rsc="kept" node="a" role="Promoted" score="5"/>
<rsc_order id="o" first="kept" first-action="promote" then="db"/>
<rsc_colocation id="c" rsc="db" with-rsc="kept" with-rsc-role="Promoted" score="INFINITY"/>"#;
        assert_eq!(warnings("", constraints), Vec::<String>::new());
    }

    #[test]
    fn a_default_may_refer_to_a_set_that_stands_after_it() {
        let defaults = r#"<rsc_defaults><meta_attributes id="d" id-ref="e"/><meta_attributes id="e"><nvpair id="ep" name="promotable" value="true"/></meta_attributes></rsc_defaults>"#;
        let waits = r#"<rsc_location id="l" rsc="db" node="a" role="Promoted" score="5"/>"#;
        assert_eq!(warnings("", waits).len(), 1);
        // Whatever is cloned is promotable.
        let found = warnings_with("", waits, defaults);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn roles_that_never_come_are_told_with_their_place() {
        let of_db = r#"<meta_attributes id="dm"><nvpair id="dt" name="target-role" value="Master"/></meta_attributes><operations><op id="dp" name="monitor" interval="9s" role="Promoted"/></operations>"#;
        let found = warnings(of_db, "");
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(found[0].contains("3:"), "{found:#?}");
        assert!(found[0].contains("target-role 'Master' has no effect: 'db' is never promoted"));
        assert!(found[1].contains("the operation 'monitor' of role 'Promoted' never runs"));
    }

    #[test]
    fn constraints_that_wait_for_a_role_in_vain_are_told() {
        let constraints = r#"<rsc_location id="l" rsc="db" role="Promoted" node="a" score="5"/>
<rsc_order id="o" first="db" first-action="promote" then="kept"/>
<rsc_colocation id="c" rsc="kept" with-rsc="short" with-rsc-role="Slave" score="INFINITY"/>
<rsc_ticket id="t" ticket="T" rsc="db" rsc-role="Promoted"/>
<rsc_location id="r" rsc="db"><rule id="r1" role="Promoted" score="5"><expression id="e" attribute="x" operation="defined"/></rule></rsc_location>
<rsc_order id="s"><resource_set id="s1" action="demote"><resource_ref id="kept"/><resource_ref id="db"/></resource_set><resource_set id="s2"><resource_ref id="inner"/></resource_set></rsc_order>"#;
        let found = warnings("", constraints);
        assert_eq!(found.len(), 6, "{found:#?}");
        for (warning, says) in found.iter().zip([
            "7:37: warning: the role 'Promoted' never comes: 'db' is never promoted",
            "the action 'promote' is never done: 'db'",
            "the role 'Slave' never comes: 'short'",
            "the role 'Promoted' never comes: 'db'",
            "the role 'Promoted' never comes: 'db'",
            "the action 'demote' is never done: 'db'",
        ]) {
            assert!(warning.contains(says), "{warning}");
        }
    }
}
