//! The configuration with the values that parameters of services follow.
//!
//! The document's lowering has written a place for each such parameter, with an id of its own; here
//! the value comes into it. So a changed value is a changed parameter, and the policy engine does
//! about it what it does about any.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use deployment::LiveReference;
use policy_engine::xml::Writer;

use crate::vocabulary::Spec;

/// What the policy engine is told in place of a value whose changes it is not to notice: the
/// operation that starts the service gets the value itself.
pub(crate) const KEPT: &str = "(as at its start)";

/// What a parameter has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// A value.
    Value(String),
    /// Nothing is known: the service is not started, and left alone where it runs.
    Unknown,
    /// Nothing is known, and it may run where nothing is to stay: it is stopped.
    Leaves,
}

/// The configuration of a document, with `given` for each of its references in their order. Where
/// `ends` is set, what waits for a value is stopped like everything else.
pub(crate) fn configuration<'a>(spec: &'a Spec, given: &[Given], ends: bool) -> Cow<'a, str> {
    let text = spec.configuration.as_str();
    if spec.live.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut changes: Vec<(Range<usize>, String)> = Vec::new();
    let (mut waiting, mut leaving) = (BTreeSet::new(), BTreeSet::new());
    let mut from = 0;
    for (reference, given) in spec.live.iter().zip(given) {
        // They are in the order of the text.
        let place = place(text, from, reference).or_else(|| place(text, 0, reference));
        let Some(place) = place else {
            waiting.insert(reference.whole.as_str());
            continue;
        };
        from = place.end;
        match given {
            Given::Value(value) => changes.push((place, pair(reference, value))),
            Given::Unknown | Given::Leaves => {
                waiting.insert(reference.whole.as_str());
                if *given == Given::Leaves {
                    leaving.insert(reference.whole.as_str());
                }
                changes.push((place, String::new()));
            }
        }
    }
    for whole in waiting.iter().filter(|_| !ends) {
        let (option, value) = match leaving.contains(*whole) {
            true => ("target-role", "Stopped"),
            false => ("is-managed", "false"),
        };
        changes.extend(with_option(text, whole, option, value));
        changes.extend(unpinned(text, whole));
    }
    if !ends {
        changes.extend(not_looked_for(text, spec, &waiting));
    }
    changes.sort_by_key(|(place, _)| place.start);
    let mut resolved = String::with_capacity(text.len() + changes.len() * 64);
    let mut from = 0;
    for (place, new) in changes {
        if place.start >= from {
            resolved.push_str(&text[from..place.start]);
            resolved.push_str(&new);
            from = place.end;
        }
    }
    resolved.push_str(&text[from..]);
    Cow::Owned(resolved)
}

/// The id of the element that holds a parameter, as the lowering gives it.
fn id(reference: &LiveReference) -> String {
    let parameter = reference.parameter.replace('#', ".");
    format!("{}.parameters.{parameter}", reference.service)
}

/// The element that holds a parameter.
fn place(text: &str, from: usize, reference: &LiveReference) -> Option<Range<usize>> {
    let start = format!("<nvpair id=\"{}\" ", id(reference));
    let begins = from + text[from..].find(&start)?;
    let value = " value=\"";
    let in_value = begins + text[begins..].find(value)? + value.len();
    let after_value = in_value + text[in_value..].find('"')? + 1;
    let end = text[after_value..].starts_with("/>");
    end.then_some(begins..after_value + 2)
}

/// The element with a value in it.
fn pair(reference: &LiveReference, value: &str) -> String {
    let mut xml = Writer::new();
    xml.open("nvpair")
        .attribute("id", &id(reference))
        .attribute("name", &reference.parameter)
        .attribute("value", value)
        .close();
    xml.finish()
}

/// A resource with the strongest of meta attributes: unmanaged, it is neither started nor stopped.
fn with_option(
    text: &str,
    whole: &str,
    option: &str,
    value: &str,
) -> Option<(Range<usize>, String)> {
    let tags = ["primitive", "group", "clone"].iter();
    let mut begins = tags.filter_map(|tag| text.find(&format!("<{tag} id=\"{whole}\"")));
    let begin = begins.next()?;
    let inside = begin + text[begin..].find('>')? + 1;
    let mut xml = Writer::new();
    xml.open("meta_attributes")
        .attribute("id", &format!("waits.{whole}"))
        .attribute("score", "INFINITY");
    xml.open("nvpair")
        .attribute("id", &format!("waits.{whole}.{option}"))
        .attribute("name", option)
        .attribute("value", value);
    Some((inside..inside, xml.finish()))
}

/// A pin that does not have its resource looked for.
fn unpinned(text: &str, whole: &str) -> Option<(Range<usize>, String)> {
    let begin = text.find(&format!("<rsc_location id=\"pinned.{whole}\" "))?;
    let exclusive = "\"exclusive\"";
    let end = begin + text[begin..].find("/>")?;
    let at = begin + text[begin..end].find(exclusive)?;
    Some((at..at + exclusive.len(), "\"never\"".to_owned()))
}

/// Constraints by which no agent is asked whether resources run that wait: it would be told
/// parameters that lack a value, and say that they are wrong.
fn not_looked_for(
    text: &str,
    spec: &Spec,
    waiting: &BTreeSet<&str>,
) -> Option<(Range<usize>, String)> {
    let mut xml = Writer::new();
    for whole in waiting {
        for node in &spec.order {
            xml.open("rsc_location")
                .attribute("id", &format!("waits.{whole}.{node}"))
                .attribute("rsc", whole)
                .attribute("node", node.as_str())
                .attribute("score", "0")
                .attribute("resource-discovery", "never")
                .close();
        }
    }
    let constraints = xml.finish();
    if constraints.is_empty() {
        return None;
    }
    if let Some(at) = text.find("</constraints>") {
        return Some((at..at, constraints));
    }
    let none = "<constraints/>";
    let at = text.find(none)?;
    let all = format!("<constraints>{constraints}</constraints>");
    Some((at..at + none.len(), all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(inner: &str, services: &str) -> Spec {
        let document = format!(
            r#"<deployable name="shop"><assemblies><assembly name="a" address="unix:/run/a">{inner}</assembly>
               <assembly name="b" address="unix:/run/b"/></assemblies><services>{services}</services></deployable>"#
        );
        Spec::new(&deployment::read(document.as_bytes()).expect("a valid document"))
    }

    fn service(name: &str) -> String {
        format!(
            r#"<service name="{name}" class="ocf" provider="heartbeat" type="Dummy"><parameters>
               <parameter name="first" value="&lt;&quot;/>"/>
               <parameter name="host"><reference assembly="a" parameter="hostname"/></parameter></parameters></service>"#
        )
    }

    #[test]
    fn a_value_comes_into_its_place() {
        let spec = spec("", &(service("web") + &service("app")));
        let given = [Given::Value("a\"<".into()), Given::Value("b".into())];
        let text = configuration(&spec, &given, false);
        for expected in [
            r#"name="host" value="a&quot;&lt;"/>"#,
            r#"<nvpair id="app.parameters.host" name="host" value="b"/>"#,
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert!(!text.contains("is-managed"));
        assert_eq!(text.matches("name=\"host\"").count(), 2);
    }

    #[test]
    fn what_waits_is_left_alone_and_not_looked_for() {
        let group = format!(
            r#"<group name="front" instances="2">{}</group>"#,
            service("web")
        );
        let spec = spec(&format!("<services>{}</services>", service("app")), &group);
        let text = configuration(&spec, &[Given::Unknown, Given::Unknown], false);
        let text: String = text.lines().map(str::trim).collect();
        for expected in [
            r#"<clone id="front-clone"><meta_attributes id="waits.front-clone" score="INFINITY"><nvpair id="waits.front-clone.is-managed" name="is-managed" value="false"/>"#,
            r#"id="waits.front-clone.b" rsc="front-clone" node="b" score="0" resource-discovery="never"/>"#,
            r#"<rsc_location id="pinned.app" rsc="app" node="a" score="INFINITY" resource-discovery="never"/>"#,
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert!(!text.contains("name=\"host\""), "{text}");
        let leaves = configuration(&spec, &[Given::Leaves, Given::Unknown], false);
        let stopped = r#"id="waits.app.target-role" name="target-role" value="Stopped"/>"#;
        assert!(leaves.contains(stopped), "{leaves}");
        assert_eq!(leaves.matches("is-managed\" value").count(), 1, "{leaves}");
        let ends = configuration(&spec, &[Given::Unknown, Given::Unknown], true);
        assert!(!ends.contains("waits."), "{ends}");
    }
}
