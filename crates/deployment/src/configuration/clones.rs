//! Meta attributes that only some clones read: of promotable ones, of those whose instances are
//! told apart (scheduler-spec/04 §2).

use super::roles;
use crate::problem::{Problems, quote};
use crate::tree::Element;
use crate::value;

/// Read of promotable clones only.
const OF_PROMOTABLE: &[&str] = &[
    "promoted-max",
    "promoted-node-max",
    "master-max",
    "master-node-max",
];

/// Classes whose agents can neither be promoted nor told apart (scheduler-spec/01 §15.1).
const PLAIN: &[&str] = &["lsb", "systemd", "service"];

/// Refuses promotable clones of agents that cannot be promoted: the policy engine would drop them.
/// Warns of instances that are to be told apart and cannot be.
fn check_class(
    clone: &Element<'_>,
    pairs: &[&Element<'_>],
    promotable: &roles::Promotable<'_>,
    problems: &mut Problems,
) {
    let mut plain = None;
    clone.visit(&mut |inner| {
        let class = inner.value("class").unwrap_or_default();
        let is_plain = inner.name == "primitive" && PLAIN.contains(&class);
        if is_plain && plain.is_none() {
            plain = Some((inner.place("class"), class));
        }
    });
    let Some((at, class)) = plain else { return };
    let class = quote(class);
    if promotable.may_be(clone) {
        let message =
            format!("agents of class {class} cannot be promoted: nothing of this clone would run");
        let hint = "remove promotable=true, or use an agent of class \"ocf\" that can be promoted";
        problems.refuse(at, message, hint.to_owned());
    }
    let unique = pairs.iter().rfind(|pair| {
        let says = pair.value("value").map(value::boolean) == Some(Ok(true));
        says && pair.value("name") == Some("globally-unique")
    });
    if let Some(pair) = unique {
        let message = format!(
            "globally-unique has no effect: instances of agents of class {class} cannot be told apart"
        );
        let hint = "remove it, or use an agent of class \"ocf\"";
        problems.warning(pair.place("value"), message, hint.to_owned());
    }
}

/// Warns of what a clone says in vain.
pub(super) fn check(configuration: &Element<'_>, problems: &mut Problems) {
    let promotable = roles::Promotable::of(configuration);
    configuration.visit(&mut |element| {
        if element.name != "clone" {
            return;
        }
        let id = quote(element.value("id").unwrap_or_default());
        let sets = element.children.iter();
        let sets = sets.filter(|set| set.name == "meta_attributes");
        let pairs: Vec<&Element<'_>> = sets.flat_map(|set| &set.children).collect();
        check_class(element, &pairs, &promotable, problems);
        for pair in &pairs {
            let name = pair.value("name").unwrap_or_default();
            if OF_PROMOTABLE.contains(&name) && !promotable.may_be(element) {
                let message = format!("the meta attribute {} has no effect: {id} is not promotable", quote(name));
                let hint = "add the meta attribute promotable=true, or remove this";
                problems.warning(pair.place("name"), message, hint.to_owned());
            }
        }
        let named = |name: &str| pairs.iter().find(|pair| pair.value("name") == Some(name));
        let number = |name: &str| named(name)?.value("value")?.trim().parse::<u32>().ok();
        if let Some(pair) = named("clone-min")
            && let (Some(min), Some(max)) = (number("clone-min"), number("clone-max"))
            && min > max
        {
            let message = format!("what comes after {id} never starts: clone-min is more than clone-max");
            let hint = format!("write a clone-min from 0 to {max}, or a higher clone-max");
            problems.warning(pair.place("value"), message, hint);
        }
        let alike = named("globally-unique").and_then(|pair| pair.value("value"));
        let alike = alike.is_some_and(|it| value::boolean(it) == Ok(false));
        let several = |pair: &&&Element<'_>| {
            let value = pair.value("value").unwrap_or_default();
            value.trim().parse().is_ok_and(|count: u32| count > 1)
        };
        if let Some(pair) = named("clone-node-max").filter(several).filter(|_| alike) {
            let message = format!(
                "the meta attribute 'clone-node-max' has no effect: the instances of {id} are not told apart, so an assembly has one"
            );
            let hint = "write globally-unique=true if its agent can run more than one beside each other, or remove this";
            problems.warning(pair.place("value"), message, hint.to_owned());
        }
    });
}

#[cfg(test)]
mod tests {
    /// The warnings about a clone with these meta attributes.
    fn warnings(given: &[(&str, &str)], defaults: &str) -> Vec<String> {
        let pairs = given.iter().map(|(name, value)| {
            format!(r#"<nvpair id="c-{name}" name="{name}" value="{value}"/>"#)
        });
        let pairs: String = pairs.collect();
        let text = format!(
            r#"<deployable name="shop"><assemblies><assembly name="a" address="unix:/a"/></assemblies>
<configuration>{defaults}<resources><clone id="c"><meta_attributes id="cm">{pairs}</meta_attributes>
<primitive id="p" class="ocf" provider="pacemaker" type="Stateful"/></clone></resources></configuration></deployable>"#
        );
        let outcome = crate::read_with_warnings(text.as_bytes());
        assert!(outcome.deployment.is_some(), "{:#?}", outcome.problems);
        let problems = outcome.problems.iter().map(ToString::to_string);
        problems.filter(|it| it.contains("has no effect")).collect()
    }

    #[test]
    fn what_only_promotable_clones_read_is_warned_of_in_others() {
        for name in super::OF_PROMOTABLE {
            let found = warnings(&[(name, "2")], "");
            assert_eq!(found.len(), 1, "{found:#?}");
            let expected =
                format!("the meta attribute '{name}' has no effect: 'c' is not promotable");
            assert!(found[0].contains(&expected), "{found:#?}");
            assert_eq!(
                warnings(&[("promotable", "true"), (name, "2")], ""),
                [""; 0]
            );
            let default = r#"<rsc_defaults><meta_attributes id="d"><nvpair id="dp" name="promotable" value="true"/></meta_attributes></rsc_defaults>"#;
            assert_eq!(warnings(&[(name, "2")], default), [""; 0]);
        }
    }

    #[test]
    fn more_instances_in_an_assembly_than_there_can_be_are_warned_of() {
        let found = warnings(&[("globally-unique", "false"), ("clone-node-max", "2")], "");
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(
            found[0].contains("'clone-node-max' has no effect"),
            "{found:#?}"
        );
        for given in [
            &[("clone-node-max", "2")][..],
            &[("globally-unique", "true"), ("clone-node-max", "2")],
            &[("globally-unique", "false"), ("clone-node-max", "1")],
        ] {
            assert_eq!(warnings(given, ""), [""; 0], "{given:?}");
        }
    }
}
