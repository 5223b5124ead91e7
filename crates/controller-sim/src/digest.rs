//! A digest of everything that a controller did in a run. Two builds that give the same digest for
//! a seed behave the same in it, so that a refactoring can show that it changed nothing.

use std::fmt::Write;

use controller::{Connect, Controller, Effect, InputName, Time};
use serde::Serialize;

/// A 64-bit FNV-1a hash of texts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digest(u64);

impl Default for Digest {
    fn default() -> Digest {
        Digest(0xcbf2_9ce4_8422_2325)
    }
}

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        Ok(())
    }
}

impl Digest {
    /// The hash of all texts so far.
    pub(crate) fn value(self) -> u64 {
        self.0
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, text: &str) {
        let _ = writeln!(self, "{text}");
    }

    /// Adds a document, however its elements are laid out on lines.
    fn xml(&mut self, text: &str) {
        for line in text.lines() {
            let _ = self.write_str(line.trim());
        }
        self.line("");
    }

    /// Adds a value in its form on the bus or on disk.
    fn json<T: Serialize>(&mut self, name: &str, value: &T) {
        let text = serde_json::to_string(value).expect("what crosses the bus is a tree");
        let _ = writeln!(self, "{name} {text}");
    }

    fn kept(&mut self, name: &InputName, cib: &str, graph: &str) -> std::fmt::Result {
        self.xml(cib);
        self.xml(graph);
        match name {
            InputName::Transition(number) => writeln!(self, "{number}"),
            InputName::Refused(slot) => writeln!(self, "refused {slot}"),
        }
    }

    /// Adds an effect, in words that do not depend on the names of types.
    pub(crate) fn effect(&mut self, effect: &Effect, controller: &Controller, now: Time) {
        let _ = match effect {
            Effect::Persist(changes) => {
                for change in changes {
                    self.json(&change.key, &change.value);
                }
                Ok(())
            }
            Effect::Connect(connect) => self.connect(connect),
            Effect::CheckDevice(check) => {
                writeln!(self, "check {} {}", check.device.id, check.question)
            }
            Effect::Disconnect { assembly } => writeln!(self, "disconnect {assembly}"),
            Effect::Renew { assembly, stamp_us } => writeln!(self, "renew {assembly} {stamp_us}"),
            Effect::Execute {
                assembly,
                operation,
            } => {
                self.json(&format!("execute {assembly}"), operation);
                Ok(())
            }
            Effect::Cancel {
                assembly,
                resource,
                action,
                interval_ms,
            } => writeln!(self, "cancel {assembly} {resource} {action} {interval_ms}"),
            Effect::Forget { assembly, resource } => {
                writeln!(self, "forget {assembly} {resource}")
            }
            Effect::Restart { assembly, reason } => {
                writeln!(self, "restart {assembly} {reason}")
            }
            Effect::Answer { .. } | Effect::Relay { .. } => writeln!(self, "{effect:?}"),
            Effect::Release {
                assembly,
                keep_services,
            } => writeln!(self, "release {assembly} {keep_services}"),
            Effect::Fence(request) => {
                self.json("fence", &request.device);
                let (attempt, reboot) = (request.attempt, request.reboot);
                let timeout_ms = request.timeout_ms;
                writeln!(self, "{} {attempt} {reboot} {timeout_ms}", request.assembly)
            }
            Effect::PowerOn(_)
            | Effect::Unfence(_)
            | Effect::EndUnfencing { .. }
            | Effect::CheckRoom(_) => writeln!(self, "{effect:?}"),
            Effect::Event(event) => {
                self.json("event", event);
                Ok(())
            }
            Effect::Decide(_) => {
                self.line("decide");
                self.xml(&controller.input(now));
                Ok(())
            }
            Effect::KeepInput { name, cib, graph } => self.kept(name, cib, graph),
            Effect::StatusChanged { state, summary } => {
                let _ = writeln!(self, "status {state} {summary}");
                self.status(controller, now);
                Ok(())
            }
            Effect::Unloaded => writeln!(self, "unloaded"),
        };
    }

    fn connect(&mut self, connect: &Connect) -> std::fmt::Result {
        let Connect {
            number: _,
            assembly,
            address,
            epoch,
            deployment,
            heartbeat_interval_ms,
            heartbeat_timeout_ms: _,
            lease_ms,
            grace_ms,
            stop_timeout_ms,
        } = connect;
        let address = address.as_deref().unwrap_or_default();
        writeln!(
            self,
            "connect {assembly} {address} {epoch} {deployment} {heartbeat_interval_ms} {lease_ms} {grace_ms} {stop_timeout_ms}"
        )
    }

    /// Adds what the controller says about itself.
    pub(crate) fn status(&mut self, controller: &Controller, now: Time) {
        let status = controller.status(now);
        self.json("assemblies", &status.assemblies);
        self.json("services", &status.services);
        self.json("transition", &status.transition);
        self.json("failures", &status.failures);
    }

    /// Adds what the controller would do with a document.
    pub(crate) fn plan(&mut self, controller: &Controller, now: Time, document: &str) {
        match controller
            .plan(now, document)
            .and_then(|plan| plan.answer_in(crate::zones::find))
        {
            Ok(plan) => self.json("plan", &plan),
            Err(refusal) => self.line(&refusal.to_string()),
        }
    }
}
