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
        for pair in &pairs {
            let name = pair.value("name").unwrap_or_default();
            if OF_PROMOTABLE.contains(&name) && !promotable.may_be(element) {
                let message = format!("the meta attribute {} has no effect: {id} is not promotable", quote(name));
                let hint = "add the meta attribute promotable=true, or remove this";
                problems.warning(pair.place("name"), message, hint.to_owned());
            }
        }
        let named = |name: &str| pairs.iter().find(|pair| pair.value("name") == Some(name));
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
