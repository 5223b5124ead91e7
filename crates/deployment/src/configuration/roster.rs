//! The fencing devices of a document, by their ids and by the hosts that they are for.

use std::collections::HashMap;

use super::devices::Found;
use super::hosts::key;
use crate::device::HostCheck;

/// The devices, found without a look at all of them.
pub(super) struct Roster<'f> {
    pub found: &'f [Found],
    by_id: HashMap<&'f str, usize>,
    /// Those that are for named hosts only, by the host's [`key`]; in the document's order.
    named: HashMap<&'f str, Vec<usize>>,
    /// Those that are asked, or that are for every host.
    others: Vec<usize>,
}

impl<'f> Roster<'f> {
    pub(super) fn of(found: &'f [Found]) -> Self {
        let mut roster = Roster {
            found,
            by_id: HashMap::new(),
            named: HashMap::new(),
            others: Vec::new(),
        };
        for (index, device) in found.iter().enumerate() {
            roster.by_id.entry(&device.device.id).or_insert(index);
            if device.disabled {
                continue;
            }
            if device.device.check != HostCheck::Static {
                roster.others.push(index);
                continue;
            }
            for host in device.hosts.keys() {
                roster.named.entry(host).or_default().push(index);
            }
        }
        roster
    }

    /// The device of an id.
    pub(super) fn device(&self, id: &str) -> Option<&'f Found> {
        self.by_id.get(id).map(|index| &self.found[*index])
    }

    /// Each device that may be for a host and is to be used, in the document's order.
    pub(super) fn of_host(&self, host: &str) -> Vec<&'f Found> {
        let named = self.named.get(key(host).as_str());
        let named = named.map_or(&[][..], Vec::as_slice);
        let mut all: Vec<usize> = named.iter().chain(&self.others).copied().collect();
        all.sort_unstable();
        all.into_iter().map(|index| &self.found[index]).collect()
    }
}
