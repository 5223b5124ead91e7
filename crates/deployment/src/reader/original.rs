//! Words of the original project, Pacemaker Cloud: what its shell wrote is read, and warned of
//! where it has no effect or another form is better today.

use cpe_status::Configure;

use super::configure::path;
use super::form::Form;
use crate::problem::{Problems, quote};
use crate::tree::Element;

/// The original project's spelling of `<service_dependency>`.
pub(super) const DEPENDENCY: &str = "service_dependancy";

/// The element of a service that names a program to run before the service starts.
pub(super) const CONFIGURE: &str = "configure_executable";

/// The id of a pinned service's resource.
pub(super) fn resource_id(assembly: &str, service: &str) -> String {
    format!("rsc_{assembly}_{service}")
}

/// `monitor` and `username` of `<deployable>`.
pub(super) fn without_effect(form: &mut Form<'_, '_, '_>) {
    for (name, hint) in [
        (
            "monitor",
            "cpe-agent observes every assembly from inside its guest: remove it",
        ),
        (
            "username",
            "guests are started by the cloud manager, so no cloud is asked in anybody's name: remove it",
        ),
    ] {
        if let Some(attribute) = form.element.attribute(name) {
            let message = format!("the attribute '{name}' of <deployable> has no effect");
            form.problems
                .warning(attribute.offset, message, hint.to_owned());
        }
    }
}

/// Whether a parameter or attribute has `type="scalar"`, the one type that there was.
pub(super) fn parameter_type(form: &mut Form<'_, '_, '_>) -> bool {
    let attribute = form.element.attribute("type");
    let Some(attribute) = attribute.filter(|it| it.value == "scalar") else {
        return false;
    };
    let message = format!("type=\"scalar\" of <{}> has no effect", form.element.name);
    let hint = "every value is a text: remove it".to_owned();
    form.problems.warning(attribute.offset, message, hint);
    true
}

/// A file that a URL of the guest itself leads to begins with one of these.
const HERE: [&str; 2] = ["file://localhost/", "file:///"];

/// `<configure_executable url="…"/>` of a service: a file of the guest is run as one of
/// `<configure>`; anything else would have to be downloaded.
pub(super) fn configure(element: &Element<'_>, problems: &mut Problems) -> Option<Configure> {
    let mut form = Form { element, problems };
    form.attributes(&["url"]);
    form.children(&[]).for_each(drop);
    let url = element.value("url").unwrap_or_default();
    let mut files = HERE.iter().filter_map(|start| url.strip_prefix(start));
    let file = files.next().map(|rest| format!("/{rest}"));
    match path(file.as_deref().unwrap_or(url)) {
        Ok(path) => {
            let message = format!("<{CONFIGURE}> is read as <configure>");
            let hint = format!("write <configure path=\"{path}\"/>");
            problems.warning(element.offset, message, hint);
            Some(Configure::Path(path))
        }
        Err(_) => {
            let message = format!("<{CONFIGURE}> is not run: nothing is downloaded into a guest");
            let hint = "put the program into the guest when that is made, and write <configure path=\"/…\"/>; or put it into the document: <configure>…</configure>";
            problems.refuse(element.offset, message, hint.to_owned());
            None
        }
    }
}

/// The other spelling of `<service_dependency>`, and its id.
pub(super) fn warn_of_dependency(form: &mut Form<'_, '_, '_>) {
    let message = format!("<{DEPENDENCY}> is read as <service_dependency>");
    let hint = "write <service_dependency first=\"…\" then=\"…\"/>, without an id".to_owned();
    form.problems.warning(form.element.offset, message, hint);
}

/// A service that is named by the id that its resource had.
pub(super) fn warn_of_id(id: &str, service: &str, offset: usize, problems: &mut Problems) {
    let message = format!("{} is read as service {}", quote(id), quote(service));
    let hint = format!("write {}", quote(service));
    problems.warning(offset, message, hint);
}
