//! Operations that nothing repeats, and pairs that do not count beside others
//! (scheduler-spec/01 §4, §17.1).

use policy_engine::{DONE_ONCE, parse_interval};

use crate::problem::{Problems, quote};
use crate::tree::Element;
use crate::value;

/// Warns of operations of which none is repeated, and of what has no effect beside others. Clusters
/// run with such mistakes, and their configurations are accepted.
pub(super) fn check(configuration: &Element<'_>, problems: &mut Problems) {
    let mut containers = false;
    configuration.visit(&mut |set| {
        let container = |pair: &Element<'_>| pair.value("name") == Some("container");
        containers |= set.name == "meta_attributes" && set.children.iter().any(container);
    });
    configuration.visit(&mut |element| match element.name {
        "op" | "nvpair" if !containers => of_container(element, problems),
        "operations" => {
            doubles(element, problems);
            element.children.iter().for_each(|it| once(it, problems));
        }
        "cluster_property_set" | "meta_attributes" | "instance_attributes" | "utilization" => {
            second_pairs(element, problems);
        }
        _ => {}
    });
}

/// Two that have the same name and the same interval: the policy engine repeats neither.
fn doubles(operations: &Element<'_>, problems: &mut Problems) {
    let mut seen: Vec<(&str, u32)> = Vec::new();
    for operation in operations.children.iter().filter(|it| it.name == "op") {
        let off = operation.value("enabled").map(value::boolean) == Some(Ok(false));
        let interval = operation.value("interval").and_then(parse_interval);
        let Some((name, ms)) = operation.value("name").zip(interval) else {
            continue;
        };
        if off || ms == 0 || DONE_ONCE.contains(&name) {
            continue;
        }
        if seen.contains(&(name, ms)) {
            let message = format!(
                "there is another {} with the same interval, and neither of the two is done",
                quote(name)
            );
            let hint = "give one of them another interval, such as 11s in place of 10s";
            problems.warning(operation.place("interval"), message, hint.to_owned());
        }
        seen.push((name, ms));
    }
}

/// Warns of a response that needs a container, where no resource has one.
fn of_container(said: &Element<'_>, problems: &mut Problems) {
    let name = match said.name {
        "op" => "on-fail",
        _ if said.value("name") == Some("on-fail") => "value",
        _ => return,
    };
    let response = said.value(name).unwrap_or_default();
    if response.eq_ignore_ascii_case("restart-container") {
        let message = "on-fail 'restart-container' has no effect: no resource has the meta attribute 'container'";
        let hint = "name its container in that meta attribute, or write on-fail=\"restart\"";
        problems.warning(said.place(name), message, hint.to_owned());
    }
}

fn once(operation: &Element<'_>, problems: &mut Problems) {
    let name = operation.value("name").unwrap_or_default();
    let interval = operation.value("interval").and_then(parse_interval);
    if DONE_ONCE.contains(&name) && interval.is_some_and(|ms| ms > 0) {
        let message = format!(
            "the operation {} is not repeated, and what this <op> says has no effect",
            quote(name)
        );
        let hint = "write interval=\"0\"";
        problems.warning(operation.place("interval"), message, hint.to_owned());
    }
}

/// Of several pairs of one name in a set the first counts.
fn second_pairs(set: &Element<'_>, problems: &mut Problems) {
    let mut seen: Vec<&str> = Vec::new();
    for pair in set.children.iter().filter(|it| it.name == "nvpair") {
        let Some(name) = pair.value("name") else {
            continue;
        };
        if seen.contains(&name) {
            let message = format!("the set has {} twice, and the first counts", quote(name));
            problems.warning(pair.place("name"), message, "remove one of them".to_owned());
        }
        seen.push(name);
    }
}
