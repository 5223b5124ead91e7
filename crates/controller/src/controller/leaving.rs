//! A guest that goes down as planned, or whose agent ends for good, is not lost.
//!
//! ```text
//!  online ── "leaving" ──▶ keeps no services: they move or stop ── "left" ──▶ safe
//!    ▲                                │                                        │
//!    │  its agent is back             │ silence: a loss as any other           │
//!    └────────────────────────────────┴────────────────────────────────────────┘
//! ```
//!
//! "Left" is the agent's word that nothing runs in its guest and that it begins nothing more before
//! its next Hello, so no fencing is needed. It counts only over the stream on which that Hello was
//! answered, of the same boot: what an agent has said before its guest came back says nothing now.
//! That a guest leaves is a durable fact, and its Hello says it again.

use super::Controller;
use crate::machines::assembly::Assembly;
use crate::machines::facts::Departure;
use crate::vocabulary::{AssemblyId, EventDraft, EventKind, Hello, Time};

impl Controller {
    /// A guest says that it leaves.
    pub(crate) fn agent_leaving(
        &mut self,
        now: Time,
        name: &AssemblyId,
        boot_id: &str,
        reason: &str,
    ) {
        if self.says_so_now(name, boot_id) {
            self.note_leaving(now, name, reason);
        }
    }

    /// That is the word of the guest which has answered Hello, over the same stream.
    fn says_so_now(&self, name: &AssemblyId, boot_id: &str) -> bool {
        self.assemblies.get(name).is_some_and(|assembly| {
            assembly.contact().is_up() && assembly.is_heard() && assembly.hello().boot_id == boot_id
        })
    }

    fn note_leaving(&mut self, now: Time, name: &AssemblyId, reason: &str) {
        if self.store.assembly(name).departure == Departure::Leaving {
            return;
        }
        self.store.assembly_mut(name).departure = Departure::Leaving;
        let event = EventDraft::new(EventKind::AssemblyLeaving)
            .assembly(name)
            .reason(reason);
        self.tell(now, event);
        self.deciding.hurry();
        self.world_changed(&format!("assembly {name} leaves"));
    }

    /// What its Hello says about leaving. To be asked before the facts take its boot in.
    pub(crate) fn take_departure(&mut self, now: Time, name: &AssemblyId) {
        let Some(Hello {
            leaving, boot_id, ..
        }) = self.assemblies.get(name).map(Assembly::hello)
        else {
            return;
        };
        let facts = self.store.assembly(name);
        let same_boot = facts.boot_id == *boot_id;
        if *leaving {
            self.note_leaving(now, name, "its agent says so");
            return;
        }
        if facts.departure == Departure::None {
            return;
        }
        self.store.assembly_mut(name).departure = Departure::None;
        if facts.departure == Departure::Leaving && same_boot {
            let event = EventDraft::new(EventKind::AssemblyRecovered)
                .assembly(name)
                .reason("it does not go down after all");
            self.tell(now, event);
        }
    }

    /// A guest says that it has left. One that is being fenced goes on being fenced: a device that
    /// was asked acts anyway.
    pub(crate) fn agent_left(&mut self, now: Time, name: &AssemblyId, boot_id: &str) {
        if !self.says_so_now(name, boot_id) {
            return;
        }
        // Its agent knows nothing of services that were left there, nor of those that migrated.
        let facts = self.store.assembly(name);
        if facts.in_doubt || !facts.arrivals.is_empty() {
            return;
        }
        let Some(assembly) = self.assemblies.get_mut(name).filter(|own| own.usable()) else {
            return;
        };
        // Its word may be older than what it was asked to take over.
        if assembly.history().is_taking_over() {
            return;
        }
        assembly.leave();
        self.nothing_is_there(now, name, "has left");
        self.store.assembly_mut(name).departure = Departure::Left;
        let event = EventDraft::new(EventKind::AssemblyLeft)
            .assembly(name)
            .reason("its agent says that nothing runs there any more");
        self.tell(now, event);
        self.go_on_without(name, "has left");
    }
}
