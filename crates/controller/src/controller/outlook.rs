//! What lies ahead, and heartbeats that change nothing of it.

use super::Controller;
use crate::machines::assembly::Life;
use crate::machines::assembly::fence::Fence;
use crate::machines::phase::Phase;
use crate::vocabulary::{AssemblyId, SECOND, Time};

impl Controller {
    /// Looks at everything, for the time until the next input.
    pub(crate) fn look_ahead(&mut self) {
        let is_final = self.phase.is_final();
        let settings = self.settings();
        let lives = self.assemblies.iter().filter_map(|(name, own)| {
            let due_us = Controller::life_deadline_of(own, &settings)?;
            (!is_final).then(|| (due_us, name.clone()))
        });
        let others_us = self.others_due_us().filter(|_| !is_final);
        let leases = self.all_leases_held();
        self.outlook.look(lives, others_us, leases);
    }

    /// When something happens by itself that is not about how long an assembly is silent, boot
    /// time, µs.
    fn others_due_us(&self) -> Option<u64> {
        let now = self.outlook.last_time();
        let assemblies = self.assemblies.iter().flat_map(|(name, own)| {
            [
                own.told().deadline(),
                own.fence().and_then(Fence::deadline_us),
                own.unfencing().deadline_us(),
                self.power_deadline_of(name, own),
            ]
        });
        let recheck = self.deciding.recheck_at_s().map(|(at_s, _)| {
            // A rule may name any year.
            let at_us = u64::try_from(at_s).unwrap_or(0).saturating_mul(SECOND);
            now.boottime_us
                .saturating_add(at_us.saturating_sub(now.wall_us))
        });
        let end = match self.phase {
            Phase::Ending { until_us } => Some(until_us),
            _ => None,
        };
        assemblies
            .chain([
                self.execution.deadline(),
                self.execution.debugging().deadline(),
                self.dampening.deadline(),
                self.execution.devices().deadline(),
                self.deciding.pause_ends_us(),
                self.deciding.values_count_at_us(),
                self.deciding.room().deadline(),
                end,
                recheck,
                self.recheck_deadline(),
                self.overlay_deadline(),
            ])
            .flatten()
            .min()
    }

    /// A heartbeat of that assembly renews its lease now, and nothing else follows.
    pub(crate) fn only_renews(&self, now: Time, name: &AssemblyId) -> bool {
        let facts = self.store.assemblies().get(name);
        self.outlook.holds(now)
            && self.assemblies.get(name).is_some_and(|assembly| {
                let lease_ms = assembly.sent_settings().map_or(0, |sent| sent.lease_ms);
                assembly.life() == Life::Online
                    && facts.is_some_and(|facts| facts.lease_ms <= lease_ms)
            })
    }

    /// Takes a heartbeat that only renews.
    pub(crate) fn renew(&mut self, now: Time, name: &AssemblyId, stamp_us: u64) {
        let due_us = self.life_deadline(name);
        self.heartbeat(now, name, stamp_us);
        if let (Some(due_us), Some(until_us)) = (due_us, self.life_deadline(name)) {
            self.outlook.put_off(name, due_us, until_us);
        }
        self.effects.flush(self.store.changes());
    }
}
