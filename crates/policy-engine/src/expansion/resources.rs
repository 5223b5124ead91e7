//! What resources expand to: parameters and operations that they refer to or have many times over,
//! and rules of defaults.

use super::{Kind, MOST_REFERENCES, Meter, Reach, TooLarge};
use crate::configuration::clones;
use crate::scalar;
use crate::xml::Element;

/// What the containers of a bundle have to do with each other, per pair, as parameters.
const PARAMETERS_PER_PAIR: u64 = 4;

/// Counts what the `resources` section expands to, and what defaults add for each resource.
pub(super) fn check(reach: &mut Reach<'_>, meter: &mut Meter) -> Result<(), TooLarge> {
    let document = reach.document;
    let resources = document.section("resources").into_iter();
    let resources = resources.flat_map(Element::children);
    let (mut primitives, mut operations) = (0, 0);
    for resource in resources.filter(|resource| resource.name() != "template") {
        for part in resource.descendants() {
            for target in reach.targets(part).into_iter().flatten() {
                let parameters = reach.parameters(target, MOST_REFERENCES - 1);
                meter.charge(
                    part,
                    Kind::Parameter,
                    parameters.saturating_mul(reach.nodes),
                )?;
                let own = target
                    .descendants()
                    .filter(|part| part.name() == "op")
                    .count() as u64;
                meter.charge(part, Kind::Operation, own)?;
                operations += own;
            }
            match part.name() {
                "primitive" => primitives += 1,
                "op" => operations += 1,
                "group" => inherited(part, reach, meter)?,
                "clone" => instances(part, reach, meter)?,
                "bundle" => replicas(part, reach, meter)?,
                _ => {}
            }
        }
    }
    defaults(reach, meter, "rsc_defaults", primitives)?;
    defaults(reach, meter, "op_defaults", primitives + operations)
}

/// A group's settings hold for each of its members.
fn inherited<'d>(
    group: Element<'d>,
    reach: &mut Reach<'d>,
    meter: &mut Meter,
) -> Result<(), TooLarge> {
    let members = group.children_named("primitive").count() as u64;
    let own = group.children().filter(|child| child.name() != "primitive");
    let own: u64 = own
        .map(|child| reach.parameters(child, MOST_REFERENCES))
        .sum();
    let count = own.saturating_mul(members.saturating_sub(1));
    meter.charge(group, Kind::Parameter, count)
}

/// Instances of a clone, as far as there are more of them than nodes.
fn instances<'d>(
    clone: Element<'d>,
    reach: &mut Reach<'d>,
    meter: &mut Meter,
) -> Result<(), TooLarge> {
    let document = reach.document;
    let sets = clone.children_named("meta_attributes");
    let most = sets
        .filter_map(|set| document.referenced(set))
        .flat_map(Element::descendants)
        .filter_map(|pair| document.referenced(pair))
        .filter(|pair| pair.get("name") == Some("clone-max"))
        .filter_map(|pair| number(pair.get("value")?))
        .max();
    let more = most.unwrap_or(0).saturating_sub(reach.nodes);
    let count = reach.parameters(clone, MOST_REFERENCES);
    let count = count.saturating_mul(more).saturating_mul(reach.nodes);
    meter.charge(clone, Kind::Parameter, count)
}

/// Containers of a bundle: each has all mappings, and may know the addresses of all others.
fn replicas<'d>(
    bundle: Element<'d>,
    reach: &mut Reach<'d>,
    meter: &mut Meter,
) -> Result<(), TooLarge> {
    let container = bundle.child("docker").or_else(|| bundle.child("podman"));
    let replicas = container.and_then(|container| {
        let named = ["replicas", "promoted-max"];
        named
            .into_iter()
            .find_map(|name| number(container.get(name)?))
    });
    let replicas = replicas.unwrap_or(1);
    let own = reach.parameters(bundle, MOST_REFERENCES);
    let of_each = own.saturating_add(replicas * PARAMETERS_PER_PAIR);
    let count = of_each.saturating_mul(replicas.saturating_sub(1));
    meter.charge(bundle, Kind::Parameter, count.saturating_mul(reach.nodes))
}

/// Defaults are evaluated for each of `users`.
fn defaults(
    reach: &mut Reach<'_>,
    meter: &mut Meter,
    section: &str,
    users: u64,
) -> Result<(), TooLarge> {
    let section = reach.document.section(section);
    for set in section.into_iter().flat_map(Element::children) {
        let set = reach.document.referenced(set).unwrap_or(set);
        let parameters = reach.parameters(set, MOST_REFERENCES);
        meter.charge(set, Kind::Parameter, parameters.saturating_mul(users))?;
        if let Some(rule) = set.child("rule") {
            let conditions = reach.conditions(rule);
            meter.charge(set, Kind::Condition, conditions.saturating_mul(users))?;
        }
    }
    Ok(())
}

fn number(text: &str) -> Option<u64> {
    let most = u64::from(clones::MAX_INSTANCES.unsigned_abs());
    let number = u64::try_from(scalar::non_negative(text)).ok()?;
    Some(number.min(most))
}
