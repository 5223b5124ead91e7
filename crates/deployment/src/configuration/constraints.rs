//! Constraints that the policy engine would pass over: it binds nothing by them
//! (scheduler-spec/03 §3, §4).

use policy_engine::Pattern;

use crate::problem::{Problems, quote};
use crate::tree::Element;

/// Refuses constraints that the policy engine cannot read, and warns of those that bind nothing.
pub(super) fn check(configuration: &Element<'_>, problems: &mut Problems) {
    configuration.visit(&mut |element| match element.name {
        "rsc_location" => pattern(element, problems),
        "rsc_colocation" => score(element, problems),
        "rsc_order" => itself(element, problems),
        _ => {}
    });
}

fn pattern(location: &Element<'_>, problems: &mut Problems) {
    let Some(text) = location.value("rsc-pattern") else {
        return;
    };
    if Pattern::parse(text).is_err() {
        let message = format!("{} is not a valid rsc-pattern", quote(text));
        let hint = "expected a POSIX extended regular expression, such as ^web-[0-9]+$";
        problems.refuse(location.place("rsc-pattern"), message, hint.to_owned());
    }
}

/// A colocation without a score has the score 0.
fn score(colocation: &Element<'_>, problems: &mut Problems) {
    let sets = colocation.children.iter();
    let sets: Vec<&Element<'_>> = sets.filter(|it| it.name == "resource_set").collect();
    let of_sets = sets.len() == 1 && (sets[0].has("score") || sets[0].has("id-ref"));
    if !colocation.has("score") && !of_sets {
        let message = "<rsc_colocation> without a score binds nothing".to_owned();
        let hint = "add score=\"INFINITY\", or a number for a preference";
        problems.warning(colocation.offset, message, hint.to_owned());
    }
}

/// What would wait for its own same action.
fn itself(order: &Element<'_>, problems: &mut Problems) {
    let own = order.value("first-action").unwrap_or("start");
    let is_same = order.value("then-action").unwrap_or(own) == own;
    if let (Some(first), Some(then)) = (order.value("first"), order.value("then"))
        && first == then
        && is_same
    {
        let message = format!("<rsc_order> has {} wait for itself", quote(first));
        let hint = "name another resource, or remove the constraint";
        problems.refuse(order.place("then"), message, hint.to_owned());
    }
}
