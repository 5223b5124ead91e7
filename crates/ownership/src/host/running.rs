//! What runs here is brought to what the records say.

use super::Host;
use crate::machines::holdings::{Intent, Unit};
use crate::machines::membership::Phase;
use crate::vocabulary::timing::{RETRY_US, WAIT_US};
use crate::vocabulary::{DeploymentId, Effect, Grant, OwnerRecord};

/// What a record says that names this host's session.
struct Mine {
    revision: u64,
    waits: bool,
}

impl Host {
    /// The record of a deployment, if it names this host's open session.
    fn mine(&self, deployment: &DeploymentId) -> Option<Mine> {
        let session = self.membership.open()?;
        let known = self.view.owner(deployment)?;
        let owner: &OwnerRecord = &known.value;
        (owner.host == *self.me() && owner.session == session).then(|| Mine {
            revision: known.revision,
            waits: owner.origin.waits(),
        })
    }

    /// What is this session's and does not run was let go of by an earlier process, or not begun
    /// yet: that process knew, this one does not. It is claimed again before it is run.
    fn take_over(&mut self) {
        if self.membership.open().is_none() || !self.can_judge() || !self.membership.take_over() {
            return;
        }
        let names: Vec<DeploymentId> = self.view.owned_by(self.me()).cloned().collect();
        for name in names {
            if let Some(Mine { revision, .. }) = self.mine(&name)
                && self.unit(&name).is_none()
            {
                let waited = false;
                let unit = Unit::LetGo { revision, waited };
                self.holdings.set_unit(&name, unit);
                self.holdings.set_intent(&name, Some(Intent::Again));
            }
        }
    }

    pub(super) fn reconcile_all(&mut self, now_us: u64) {
        self.take_over();
        let me = self.me().clone();
        let held: Vec<DeploymentId> = self.holdings.names().cloned().collect();
        // What is to be started with the shortest lease of its guests first.
        let lease_ms = |name: &DeploymentId| {
            let known = self.view.deployment(name);
            known.map_or(0, |known| known.value.lease_ms)
        };
        let mut owned: Vec<DeploymentId> = self.view.owned_by(&me).cloned().collect();
        owned.sort_by_key(|name| lease_ms(name));
        for name in held.iter().chain(&owned) {
            self.reconcile(now_us, name);
        }
    }

    /// Whether what the records say can be acted upon: not while it is open whether the session of
    /// an earlier process is still alive, nor before everything was listed.
    fn can_judge(&self) -> bool {
        self.knows_its_own() || self.membership.phase() == Phase::Ending
    }

    /// Whether everything was listed, and it is known which session is this host's.
    pub(super) fn knows_its_own(&self) -> bool {
        self.view.is_synced() && self.membership.phase() != Phase::Resuming
    }

    /// Does the next thing that one deployment needs here.
    pub(super) fn reconcile(&mut self, now_us: u64, name: &DeploymentId) {
        if !self.can_judge() {
            return;
        }
        let mine = self.mine(name);
        let is_same = |revision: u64| mine.as_ref().is_some_and(|it| it.revision == revision);
        match self.unit(name) {
            Some(Unit::Running(revision)) if !is_same(revision) => self.stop(name, revision),
            Some(Unit::Running(revision)) => {
                if self.is_destroyed(name) {
                    self.let_go(name, revision, Intent::Remove);
                }
            }
            Some(Unit::Ending(_)) => {}
            Some(Unit::Waiting { revision, until_us }) if is_same(revision) => {
                if until_us <= now_us {
                    self.start(now_us, name, revision);
                }
            }
            Some(Unit::LetGo { revision, .. }) if is_same(revision) => self.give(now_us, name),
            // Another record, or the first one.
            _ => match mine {
                None => self.holdings.remove(name),
                Some(mine) => {
                    self.holdings.set_intent(name, None);
                    let until_us = now_us + if mine.waits { WAIT_US } else { 0 };
                    let revision = mine.revision;
                    let unit = Unit::Waiting { revision, until_us };
                    self.holdings.set_unit(name, unit);
                    if until_us <= now_us {
                        self.start(now_us, name, revision);
                    }
                }
            },
        }
    }

    fn is_destroyed(&self, name: &DeploymentId) -> bool {
        let known = self.view.deployment(name);
        known.is_some_and(|known| known.value.destroying)
    }

    fn start(&mut self, now_us: u64, name: &DeploymentId, revision: u64) {
        if self.is_destroyed(name) {
            // Whoever had it is silent by now, and nobody needs it any more.
            let waited = true;
            let unit = Unit::LetGo { revision, waited };
            self.holdings.set_unit(name, unit);
            self.holdings.set_intent(name, Some(Intent::Remove));
            self.give(now_us, name);
            return;
        }
        let incarnation = self.view.meta().map_or(1, |meta| meta.incarnation);
        let grant = Grant {
            session: self.membership.session(),
            incarnation,
            revision,
        };
        self.holdings.set_unit(name, Unit::Running(revision));
        self.effects.push_back(Effect::Start(name.clone(), grant));
    }

    pub(super) fn stop(&mut self, name: &DeploymentId, revision: u64) {
        self.holdings.set_unit(name, Unit::Ending(revision));
        self.effects.push_back(Effect::Stop(name.clone(), revision));
    }

    /// Stops a unit, for that reason.
    pub(super) fn let_go(&mut self, name: &DeploymentId, revision: u64, intent: Intent) {
        self.stop(name, revision);
        self.holdings.set_intent(name, Some(intent));
    }

    pub(super) fn let_go_of_used_up(&mut self, name: &DeploymentId, revision: u64) {
        if self.unit(name) == Some(Unit::Running(revision)) {
            self.let_go(name, revision, Intent::Again);
        }
    }

    /// Nothing of a unit runs any more.
    pub(super) fn ended(&mut self, now_us: u64, name: &DeploymentId, revision: u64) {
        let (Some(Unit::Running(running)) | Some(Unit::Ending(running))) = self.unit(name) else {
            return;
        };
        if running != revision {
            return;
        }
        let waited = true;
        let unit = Unit::LetGo { revision, waited };
        self.holdings.set_unit(name, unit);
        let intent = self.holdings.get(name).and_then(|it| it.intent.clone());
        if intent.is_none() {
            self.holdings.set_intent(name, Some(Intent::Again));
        }
        self.reconcile(now_us, name);
    }

    /// Gives away what has ended here, or takes it back under another revision.
    fn give(&mut self, now_us: u64, name: &DeploymentId) {
        let intent = self.holdings.get(name).and_then(|it| it.intent.clone());
        match intent {
            Some(Intent::HandOver(to)) => self.hand_over(now_us, name, &to),
            Some(Intent::Remove) => {
                self.remove_records(now_us, name);
                self.holdings.plan(now_us + RETRY_US, name);
            }
            Some(Intent::Again) | None => self.consider(now_us, name),
        }
    }
}
