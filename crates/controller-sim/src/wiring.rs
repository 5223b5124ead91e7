//! What leads where: addresses and fence devices are names, and a name is only a way to a guest.

use std::collections::BTreeMap;

use controller::{AssemblyId, FenceDevice};

/// What leads to which guest. Guests by index.
#[derive(Debug, Default)]
pub(crate) struct Wiring {
    /// By address: which guest answers there.
    addresses: BTreeMap<String, usize>,
    /// By name of the device: which guest it switches off.
    devices: BTreeMap<String, usize>,
    /// Which guest was last heard of as that assembly.
    pub places: BTreeMap<AssemblyId, usize>,
    /// Which guest was heard of as that assembly before another one was.
    earlier: BTreeMap<AssemblyId, usize>,
}

impl Wiring {
    /// A guest that answers at an address and is switched by a device, both of that name.
    pub(crate) fn install(&mut self, name: &str, guest: usize) {
        self.answers_at(name, guest);
        self.devices.insert(name.to_owned(), guest);
    }

    /// A guest was heard of as an assembly.
    pub(crate) fn heard_as(&mut self, assembly: &AssemblyId, guest: usize) {
        let before = self.places.insert(assembly.clone(), guest);
        if let Some(before) = before.filter(|before| *before != guest) {
            self.earlier.insert(assembly.clone(), before);
        }
    }

    /// An assembly is lost since another guest answers under its name: it is the one that was heard
    /// of until then.
    pub(crate) fn replaced(&mut self, assembly: &AssemblyId) {
        if let Some(before) = self.earlier.remove(assembly) {
            self.places.insert(assembly.clone(), before);
        }
    }

    /// The controller names a former incarnation: it is the guest that was heard of as the assembly
    /// until then.
    pub(crate) fn mention(&mut self, assembly: &AssemblyId) {
        let name = assembly.in_document();
        if *assembly == *name || self.places.contains_key(assembly) {
            return;
        }
        let before = self.earlier.remove(name);
        if let Some(guest) = before.or_else(|| self.places.get(name).copied()) {
            self.places.insert(assembly.clone(), guest);
        }
    }

    /// From now on this guest answers there.
    pub(crate) fn answers_at(&mut self, name: &str, guest: usize) {
        self.addresses.insert(format!("unix:/sim/{name}"), guest);
    }

    /// The guest that answers at an address of a document.
    pub(crate) fn guest_at(&self, address: &str) -> Option<usize> {
        self.addresses.get(address).copied()
    }

    /// The guest that answers at the address of that name.
    pub(crate) fn guest_named(&self, name: &str) -> Option<usize> {
        self.guest_at(&format!("unix:/sim/{name}"))
    }

    /// The guest that a device of a document switches.
    pub(crate) fn switched_by(&self, device: &FenceDevice) -> Option<usize> {
        let name = match device {
            FenceDevice::Unit { unit } => unit
                .strip_prefix("systemd-nspawn@")
                .and_then(|rest| rest.strip_suffix(".service")),
            FenceDevice::Agent { parameters, .. } => parameters
                .iter()
                .find(|(name, _)| name == "port")
                .map(|(_, value)| value.as_str()),
        };
        self.devices.get(name?).copied()
    }

    /// A further device of a guest.
    pub(crate) fn add_device(&mut self, name: &str, guest: usize) {
        self.devices.insert(name.to_owned(), guest);
    }

    /// Devices of one guest switch another from now on.
    pub(crate) fn hand_over(&mut self, from: usize, to: usize) {
        for guest in self.devices.values_mut().filter(|guest| **guest == from) {
            *guest = to;
        }
    }
}
