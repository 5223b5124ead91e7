//! Values of `<resources>` that are somewhere else: whether they are where somebody can read them.

use crate::problem::{Problems, quote};
use crate::secret;
use crate::tree::Element;

/// Reports each that nothing would read. Fence agents have files of the host, all others those of
/// their guest.
pub(super) fn check(configuration: &Element<'_>, deployment: &str, problems: &mut Problems) {
    let sections = configuration.children.iter();
    for resources in sections.filter(|section| section.name == "resources") {
        below(resources, false, deployment, problems);
    }
}

fn below(element: &Element<'_>, of_device: bool, deployment: &str, problems: &mut Problems) {
    let of_device = match element.value("class") {
        Some(class) => class == "stonith",
        None => of_device,
    };
    if element.name == "nvpair"
        && let Some(value) = element.value("value")
    {
        let checked = match of_device {
            true => secret::check_of_fencing(value, deployment),
            false => secret::check_of_service(value),
        };
        if let Err((what, hint)) = checked {
            let name = element.value("name").unwrap_or("this parameter");
            let message = format!("the value of {} {what}", quote(name));
            problems.refuse(element.place("value"), message, hint);
        }
    }
    for child in &element.children {
        below(child, of_device, deployment, problems);
    }
}
