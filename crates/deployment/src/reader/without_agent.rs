//! Assemblies that have no agent of ours, only their hypervisor's: what that leaves to be asked of
//! them.

use crate::device::only_cuts_off;
use crate::model::{Address, Deployment, FencingMode};
use crate::problem::{Problems, quote};
use crate::tree::Element;
use crate::value;

/// Refuses what such an assembly cannot do, and warns of what it may lack. `assemblies` are the
/// elements of the deployment's assemblies, in order.
pub(super) fn check(
    assemblies: &Element<'_>,
    raw: Option<&Element<'_>>,
    deployment: &Deployment,
    problems: &mut Problems,
) {
    let elements = assemblies.children.iter();
    let elements = elements.filter(|element| element.name == "assembly");
    let mut some = None;
    for (element, assembly) in elements.zip(&deployment.assemblies) {
        if !matches!(assembly.address, Some(Address::QemuGa(_))) {
            continue;
        }
        some = Some(assembly);
        let cuts_off = match &assembly.fencing.mode {
            FencingMode::Devices(levels) => levels.iter().any(|level| only_cuts_off(level)),
            _ => false,
        };
        if assembly.fencing.mode == FencingMode::Lease || cuts_off {
            let message = format!(
                "assembly {} is reached through its QEMU guest agent, which keeps no lease: nothing in it would stop its services when it is lost",
                quote(&assembly.name)
            );
            let hint = "give it a fencing that turns its power off, such as <fencing mode=\"unit\" unit=\"…\"/>, <fencing mode=\"agent\" agent=\"…\"> or a device of <configuration>; or run cpe-agent in it";
            problems.error(element.place("address"), message, hint.to_owned());
        }
    }
    if let (Some(assembly), Some(raw)) = (some, raw) {
        warn_of_promotion(raw, &assembly.name, problems);
    }
}

/// Resource agents tell promotion scores with tools that only our agent brings.
fn warn_of_promotion(raw: &Element<'_>, assembly: &str, problems: &mut Problems) {
    raw.visit(&mut |pair| {
        let is_it = pair.name == "nvpair" && pair.value("name") == Some("promotable");
        let says_yes = |text: &str| value::boolean(text) == Ok(true);
        if is_it && pair.value("value").is_some_and(says_yes) {
            let message = format!(
                "resource agents in assembly {} cannot tell promotion scores: it is reached through its QEMU guest agent",
                quote(assembly)
            );
            let hint = "keep the clone off it with a location constraint, give the promoted role a score there with a rule, or run cpe-agent in it";
            problems.warning(pair.place("name"), message, hint.to_owned());
        }
    });
}
