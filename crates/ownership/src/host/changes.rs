//! Changes of documents: acknowledged when a transaction is known to have done them, once, whatever
//! becomes of requests and answers. Each attempt compares that the store does not know its id.

use super::Host;
use crate::machines::changes::{Ongoing, Read, Step};
use crate::machines::pending::Purpose;
use crate::machines::view::Known;
use crate::vocabulary::timing::{CHANGE_US, SOON_US};
use crate::vocabulary::{
    Answer, Change, ChangeId, Compare, DeploymentRecord, Effect, Key, Operation, Refusal, Request,
    Txn, TxnReply, Value, What,
};

impl Host {
    pub(super) fn begin_change(&mut self, now_us: u64, change: Change) {
        if !self.membership.may_act(now_us) || !self.view.is_synced() {
            let unavailable = Effect::Answer(change.id, Answer::Unavailable);
            self.effects.push_back(unavailable);
            return;
        }
        self.changes.add(Ongoing {
            change,
            step: Step::Try,
            read: None,
            until_us: now_us + CHANGE_US,
            next_us: Some(now_us),
        });
    }

    pub(super) fn attempt_changes(&mut self, now_us: u64) {
        for id in self.changes.overdue(now_us) {
            self.end_change(id, Answer::Unknown);
        }
        for ongoing in self.changes.due(now_us) {
            let id = ongoing.change.id;
            let step = match ongoing.step.clone() {
                Step::Try => self.attempt(&ongoing),
                Step::Refuse(refusal, reason) => Err((refusal, reason)),
            };
            let txn = step.unwrap_or_else(|(refusal, reason)| {
                if let Some(ongoing) = self.changes.get_mut(id) {
                    ongoing.step = Step::Refuse(refusal, reason.clone());
                }
                bury(&ongoing.change, reason)
            });
            if let Some(ongoing) = self.changes.get_mut(id) {
                ongoing.next_us = None;
            }
            self.send(now_us, Purpose::Change(id), Request::Txn(txn));
        }
    }

    /// The transaction that does it, by what is known; or why it cannot be done, and what has to
    /// hold in the store for that.
    fn attempt(&self, ongoing: &Ongoing) -> Result<Txn, (Refusal, Compare)> {
        let change = &ongoing.change;
        let name = &change.deployment;
        let key = Key::Deployment(name.clone());
        let read = ongoing.read.as_ref();
        let known = match read.filter(|read| read.revision > self.view.revision()) {
            Some(read) => read.record.as_ref(),
            None => self.view.deployment(name),
        };
        let as_known = match known {
            Some(known) => Compare::Revision(key.clone(), known.revision),
            None => Compare::Absent(key.clone()),
        };
        let record = match (&change.what, known) {
            (What::Create(..), Some(_)) => return Err((Refusal::Exists, as_known)),
            (What::Create(needs, lease_ms), None) => DeploymentRecord {
                generation: 1,
                change: change.id,
                needs: needs.clone(),
                lease_ms: *lease_ms,
                destroying: false,
            },
            (_, None) => return Err((Refusal::Missing, as_known)),
            (_, Some(known)) if known.value.destroying => {
                return Err((Refusal::Destroying, as_known));
            }
            (What::Update(seen), Some(known)) if *seen != known.value.generation => {
                let refusal = Refusal::Generation(known.value.generation);
                return Err((refusal, as_known));
            }
            (what, Some(known)) => DeploymentRecord {
                generation: known.value.generation + 1,
                change: change.id,
                destroying: *what == What::Destroy,
                ..DeploymentRecord::clone(&known.value)
            },
        };
        let outcome = Key::Change(change.id);
        let done = Value::Change(Some(record.generation));
        Ok(Txn {
            compare: vec![Compare::Absent(outcome.clone()), as_known],
            then: vec![
                Operation::Put(key.clone(), Value::Deployment(record.into()), None),
                Operation::Put(outcome.clone(), done, None),
            ],
            otherwise: vec![Operation::Get(outcome), Operation::Get(key)],
        })
    }

    pub(super) fn change_answered(&mut self, now_us: u64, id: ChangeId, reply: &TxnReply) {
        let Some(ongoing) = self.changes.get_mut(id) else {
            return;
        };
        // What an earlier attempt has left, under this id.
        let found = reply.found.iter().find_map(|entry| match entry.value {
            Value::Change(outcome) => Some(outcome),
            _ => None,
        });
        let step = ongoing.step.clone();
        ongoing.next_us = Some(now_us + SOON_US);
        match (found, step) {
            (Some(Some(generation)), _) => self.end_change(id, Answer::Done(generation)),
            (Some(None), Step::Refuse(refusal, _)) => self.end_change(id, Answer::Refused(refusal)),
            (Some(None), Step::Try) => self.end_change(id, Answer::Refused(Refusal::Before)),
            (None, Step::Refuse(refusal, _)) if reply.succeeded => {
                self.end_change(id, Answer::Refused(refusal));
            }
            (None, Step::Try) if reply.succeeded => self.change_is_new(now_us, id),
            // The deployment is not what it was taken for. It was read, and the change is tried
            // again by that.
            _ => {
                let record = reply.found.iter().find_map(|entry| match &entry.value {
                    Value::Deployment(value) => Some(Known {
                        value: value.clone(),
                        revision: entry.revision,
                    }),
                    _ => None,
                });
                let revision = reply.revision;
                ongoing.read = Some(Read { revision, record });
                ongoing.step = Step::Try;
                self.learn(now_us, None, reply);
            }
        }
    }

    /// It was done just now. The generation that the end of a deployment has made is read back with
    /// the id.
    fn change_is_new(&mut self, now_us: u64, id: ChangeId) {
        let Some(ongoing) = self.changes.get_mut(id) else {
            return;
        };
        let generation = match ongoing.change.what {
            What::Create(..) => Some(1),
            What::Update(seen) => Some(seen + 1),
            What::Destroy => None,
        };
        match generation {
            Some(generation) => self.end_change(id, Answer::Done(generation)),
            None => {
                ongoing.next_us = Some(now_us);
            }
        }
    }

    pub(super) fn change_unanswered(&mut self, now_us: u64, id: ChangeId) {
        if let Some(ongoing) = self.changes.get_mut(id) {
            ongoing.next_us = Some(now_us + SOON_US);
        }
    }

    fn end_change(&mut self, id: ChangeId, answer: Answer) {
        if self.changes.remove(id) {
            self.effects.push_back(Effect::Answer(id, answer));
        }
    }
}

/// The transaction that keeps a change from ever being done, where the reason for that holds.
fn bury(change: &Change, reason: Compare) -> Txn {
    let outcome = Key::Change(change.id);
    let deployment = Key::Deployment(change.deployment.clone());
    Txn {
        compare: vec![Compare::Absent(outcome.clone()), reason],
        then: vec![Operation::Put(outcome.clone(), Value::Change(None), None)],
        otherwise: vec![Operation::Get(outcome), Operation::Get(deployment)],
    }
}
