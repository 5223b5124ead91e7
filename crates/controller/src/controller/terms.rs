//! The words in which decisions about this deployment are explained.

use std::collections::BTreeMap;

use cpe_status::{OverlayKind, ResourceStatus};
use policy_engine::explain::{Temporary, Terms};

use super::Controller;

impl Controller {
    /// The words of this deployment, with what administrators want of services beside the
    /// document.
    pub fn terms(&self) -> Terms {
        Terms {
            temporary: self.temporary(),
            ..Terms::deployment(self.name.clone())
        }
    }

    /// What administrators want of services beside the document, by what the policy engine sees of
    /// it: constraints, and meta attributes of a service and all that it contains.
    fn temporary(&self) -> BTreeMap<String, Temporary> {
        let mut all = BTreeMap::new();
        let resources = self.resource_statuses();
        for entry in self.overlay_statuses() {
            let known = Temporary {
                text: entry.text.clone(),
                remedy: entry.remedy.clone(),
            };
            let option = match entry.kind {
                OverlayKind::Disable | OverlayKind::Restart => "target-role",
                OverlayKind::Unmanage => "is-managed",
                _ => {
                    all.insert(entry.constraint, known);
                    continue;
                }
            };
            let mut tree = resources.iter().flat_map(ResourceStatus::all);
            let own = tree.find(|own| own.name == entry.service);
            for element in own.into_iter().flat_map(ResourceStatus::all) {
                let id = format!("overlay.{}.{option}", element.name);
                all.entry(id).or_insert_with(|| known.clone());
            }
        }
        all
    }
}
