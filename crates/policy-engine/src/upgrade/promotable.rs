//! `<master>` is a promotable clone, and `masters` of a bundle is `promoted-max` (scheduler-spec/01
//! §19.4).

use super::Upgrade;

pub(super) fn to_four(upgrade: &mut Upgrade<'_>) {
    let elements = upgrade.below("resources", &["master", "docker", "podman", "rkt"]);
    for element in elements {
        if upgrade.at(element).name() == "master" {
            master(upgrade, element);
        } else if let Some(masters) = upgrade.at(element).get("masters") {
            let masters = masters.to_owned();
            let text = format!("masters=\"{masters}\" is now promoted-max=\"{masters}\"");
            upgrade.document.unset(element, "masters");
            upgrade.document.set(element, "promoted-max", &masters);
            upgrade.note(element, text);
        }
    }
}

/// A set of the highest score makes the clone promotable, whatever the other sets say.
fn master(upgrade: &mut Upgrade<'_>, element: crate::xml::ElementId) {
    let id = upgrade.get(element, "id").to_owned();
    let document = &mut *upgrade.document;
    document.rename(element, "clone");
    let set = document.prepend(element, "meta_attributes");
    document.set(set, "id", &format!("{id}-promotable"));
    document.set(set, "score", "INFINITY");
    let pair = document.append(set, "nvpair");
    document.set(pair, "id", &format!("{id}-promotable-promotable"));
    document.set(pair, "name", "promotable");
    document.set(pair, "value", "true");
    upgrade.note(
        element,
        format!("<master> {id} is now a <clone> with promotable=\"true\""),
    );
}
