//! Fencing devices in the documents' `<configuration>`.
//!
//! There are three, for all assemblies of mode [`Mode::Devices`]: the first is a level of its own,
//! the other two have to succeed together. A name leads to a guest by the port that the document
//! maps it to. Some documents have a fourth, which cuts guests off and lets them in: beside the
//! first, or alone, in mode [`Mode::Fabric`].

use std::fmt::Write;

use crate::scenario::{Assembly, Mode, Scenario};

/// Ids of the devices; those of the second level last.
pub const DEVICES: [&str; 3] = ["ipmi", "pdu-a", "pdu-b"];

/// Id of the device that provides unfencing.
pub const FABRIC: &str = "switch";

/// How often each is asked whether it is well, seconds.
pub const MONITOR_S: u64 = 15;

impl Scenario {
    /// Has what is made safe by a device made safe by those of the configuration.
    pub fn equip(&mut self) {
        let modes = || self.assemblies.iter().map(|own| own.mode);
        let any = modes().any(Mode::cuts_power);
        for assembly in &mut self.assemblies {
            assembly.mode = match assembly.mode {
                Mode::Unit | Mode::Agent => Mode::Devices,
                Mode::Lease if !any => Mode::Devices,
                mode => mode,
            };
        }
    }

    /// Has guests let in by a device when they have booted, which is `alone` in making them safe,
    /// or not.
    pub fn cut_off(&mut self, alone: bool) {
        self.fabric = true;
        for assembly in self.assemblies.iter_mut().filter(|_| alone) {
            if assembly.mode == Mode::Devices {
                assembly.mode = Mode::Fabric;
            }
        }
    }

    /// Assemblies of the document that devices of the configuration are for.
    fn equipped(&self) -> impl Iterator<Item = &Assembly> {
        let present = self.present().map(|(_, assembly)| assembly);
        present.filter(|own| matches!(own.mode, Mode::Devices | Mode::Fabric))
    }

    /// The devices are in the document.
    pub fn has_devices(&self) -> bool {
        self.equipped().next().is_some()
    }

    /// `<primitive class="stonith">`.
    pub(crate) fn device_elements(&self) -> String {
        let ports = self.equipped();
        let ports = ports.map(|own| format!("{}:{};", own.name, own.device));
        let ports: String = ports.collect();
        let mut text = String::new();
        let fabric = self.fabric.then_some(FABRIC);
        let devices = DEVICES.into_iter().chain(fabric);
        for id in devices.filter(|_| !ports.is_empty()) {
            let provides = match Some(id) == fabric {
                true => {
                    format!("<nvpair id=\"{id}-provides\" name=\"provides\" value=\"unfencing\"/>")
                }
                false => String::new(),
            };
            let edition = match self.fabric_edition {
                number @ 1.. if Some(id) == fabric => {
                    format!("<nvpair id=\"{id}-edition\" name=\"edition\" value=\"{number}\"/>")
                }
                _ => String::new(),
            };
            let _ = writeln!(
                text,
                "<primitive id=\"{id}\" class=\"stonith\" type=\"fence_simulated\">\
                 <meta_attributes id=\"{id}-meta\"><nvpair id=\"{id}-expires\" name=\"failure-timeout\" value=\"20s\"/>{provides}</meta_attributes>\
                 <instance_attributes id=\"{id}-parameters\">\
                 <nvpair id=\"{id}-map\" name=\"pcmk_host_map\" value=\"{ports}\"/>\
                 <nvpair id=\"{id}-reboot\" name=\"pcmk_reboot_timeout\" value=\"10s\"/>\
                 <nvpair id=\"{id}-off\" name=\"pcmk_off_timeout\" value=\"10s\"/>\
                 <nvpair id=\"{id}-on\" name=\"pcmk_on_timeout\" value=\"5s\"/>{edition}</instance_attributes>\
                 <operations><op id=\"{id}-monitor\" name=\"monitor\" interval=\"{MONITOR_S}s\" timeout=\"5s\"/></operations></primitive>"
            );
        }
        text
    }

    /// `<fencing-topology>`.
    pub(crate) fn topology(&self) -> String {
        let mut text = String::new();
        let [first, second, third] = DEVICES;
        for own in self.equipped() {
            let name = &own.name;
            if own.mode == Mode::Fabric {
                let _ = write!(
                    text,
                    "<fencing-level id=\"{name}-1\" target=\"{name}\" index=\"1\" devices=\"{FABRIC}\"/>"
                );
                continue;
            }
            let first = match self.fabric {
                true => format!("{FABRIC},{first}"),
                false => first.to_owned(),
            };
            let _ = write!(
                text,
                "<fencing-level id=\"{name}-1\" target=\"{name}\" index=\"1\" devices=\"{first}\"/>\
                 <fencing-level id=\"{name}-2\" target=\"{name}\" index=\"2\" devices=\"{second},{third}\"/>"
            );
        }
        match text.is_empty() {
            true => text,
            false => format!("<fencing-topology>{text}</fencing-topology>"),
        }
    }
}
