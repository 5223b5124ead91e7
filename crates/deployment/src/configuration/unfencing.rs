//! Devices that let a host in again when it has booted: `provides="unfencing"`.
//!
//! Source: "Pacemaker Explained", "Unfencing"; the Fence Agent API of ClusterLabs (`automatic`,
//! `on_target`).

use super::index::{Index, by_score, referred};
use crate::problem::{Problems, quote};
use crate::tree::Element;

/// Fence agents whose `on` has to run in the guest itself: `on_target` in their metadata.
pub(super) const ON_TARGET: [&str; 2] = ["fence_scsi", "fence_mpath"];
/// Why those are not run, and what to do instead.
pub(super) const NOT_HERE: &str = "its action \"on\" has to run in the guest that is let in (on_target in its metadata), with that guest's own path \
     to the disk, and no guest runs fence agents here: use an agent that the DPE's host can run, which switches the guest's power \
     (fence_virsh) or its port at the storage switch (fence_brocade, fence_ifmib)";

/// What to do about a device that cuts guests off and does not say so.
pub(super) const SAY_SO: &str = "to be cut off is not to be down: write provides=\"unfencing\" in its <meta_attributes>; then the leases of its guests \
     are waited for too, and they are let in when they have booted";

/// The meta attribute, and the one value that means something.
const PROVIDES: &str = "provides";
const UNFENCING: &str = "unfencing";

/// Where the document says that a device provides unfencing, by its own meta attributes or those of
/// its template (scheduler-spec/01 §4: its own come first, and of several sets those of the highest
/// score).
pub(super) fn provided<'e>(
    own: &'e Element<'e>,
    template: Option<&'e Element<'e>>,
    index: &Index<'e>,
    problems: &mut Problems,
) -> Option<usize> {
    let said = said_by(own, index, problems);
    let said = said.or_else(|| said_by(template?, index, problems))?;
    (said.value("value") == Some(UNFENCING)).then(|| said.place("value"))
}

fn said_by<'e>(
    element: &'e Element<'e>,
    index: &Index<'e>,
    problems: &mut Problems,
) -> Option<&'e Element<'e>> {
    let sets = element.children.iter();
    let sets = sets.filter(|set| set.name == "meta_attributes");
    let mut sets: Vec<&Element<'_>> = sets.map(|set| referred(set, index)).collect();
    by_score(&mut sets);
    let mut said = None;
    for set in sets {
        for pair in set.children.iter().filter(|child| child.name == "nvpair") {
            let source = referred(pair, index);
            if pair.value("name").or(source.value("name")) != Some(PROVIDES) {
                continue;
            }
            if set.children.iter().any(|child| child.name == "rule") {
                let message = format!(
                    "the meta attribute {} must not hang on a <rule>",
                    quote(PROVIDES)
                );
                let hint = "a device lets hosts in again at any time or never: give it in a set without a rule";
                problems.error(source.place("value"), message, hint.to_owned());
            }
            said = said.or(Some(source));
        }
    }
    said
}
