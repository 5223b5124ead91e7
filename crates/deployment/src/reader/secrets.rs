//! Values that are not in the document: whether they are where somebody can read them.

use super::values::{Owner, Slot};
use crate::model::{Address, Deployment};
use crate::problem::{Problems, quote};
use crate::secret;

/// Checks where a value is. `slot`: whose it is.
pub(super) fn check(slot: &Slot, value: &str, deployment: &Deployment, problems: &mut Problems) {
    let checked = match slot.owner {
        Owner::Service(_) => secret::check_of_service(value),
        Owner::Fencing(_) => secret::check_of_fencing(value, &deployment.name),
        Owner::Assembly(_) | Owner::AssemblyParameters(_) => Ok(()),
    };
    let name = quote(&slot.name);
    if let Err((what, hint)) = checked {
        let message = format!("the value of {name} {what}");
        return problems.refuse(slot.offset, message, hint);
    }
    let Some(place) = cpe_status::GuestSecret::of_value(value) else {
        return;
    };
    let service = match slot.owner {
        Owner::Service(at) => &deployment.services[at],
        _ => {
            let message =
                format!("the value of {name} is in a guest ({place}), where only services have it");
            let hint = "give it a value of its own, or refer to one that has";
            return problems.refuse(slot.offset, message, hint.to_owned());
        }
    };
    let pinned = service.assembly.as_deref();
    let assembly = pinned.and_then(|name| deployment.assembly(name));
    if let Some(assembly) = assembly
        && matches!(assembly.address, Some(Address::QemuGa(_)))
    {
        let message = format!(
            "nothing reads {place} in assembly {}, which is reached through its QEMU guest agent",
            quote(&assembly.name)
        );
        let hint = "run cpe-agent in it, or have a <configure> or the service itself read the file";
        problems.refuse(slot.offset, message, hint.to_owned());
    }
}
