//! Fencing devices in the documents' `<configuration>`.
//!
//! There are three, for all assemblies of mode [`Mode::Devices`]: the first is a level of its own,
//! the other two have to succeed together. A name leads to a guest by the port that the document
//! maps it to.

use std::fmt::Write;

use crate::scenario::{Assembly, Mode, Scenario};

/// Ids of the devices; those of the second level last.
pub const DEVICES: [&str; 3] = ["ipmi", "pdu-a", "pdu-b"];

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

    /// Assemblies of the document that devices of the configuration are for.
    fn equipped(&self) -> impl Iterator<Item = &Assembly> {
        let present = self.present().map(|(_, assembly)| assembly);
        present.filter(|assembly| assembly.mode == Mode::Devices)
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
        for id in DEVICES.iter().filter(|_| !ports.is_empty()) {
            let _ = writeln!(
                text,
                "<primitive id=\"{id}\" class=\"stonith\" type=\"fence_simulated\">\
                 <meta_attributes id=\"{id}-meta\"><nvpair id=\"{id}-expires\" name=\"failure-timeout\" value=\"20s\"/></meta_attributes>\
                 <instance_attributes id=\"{id}-parameters\">\
                 <nvpair id=\"{id}-map\" name=\"pcmk_host_map\" value=\"{ports}\"/>\
                 <nvpair id=\"{id}-reboot\" name=\"pcmk_reboot_timeout\" value=\"10s\"/>\
                 <nvpair id=\"{id}-off\" name=\"pcmk_off_timeout\" value=\"10s\"/>\
                 <nvpair id=\"{id}-on\" name=\"pcmk_on_timeout\" value=\"5s\"/></instance_attributes>\
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
