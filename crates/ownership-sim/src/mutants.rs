//! Hosts that make a deliberate mistake, for the proof that the checks find it.
//!
//! The machine has no switch for mistakes. A mutant is the machine itself, with something changed
//! in what passes between it and its shell, or a shell that does something else than it is told.

use std::collections::BTreeMap;

use ownership::{
    Answer, Changed, Compare, DeploymentId, Effect, Entry, Grant, Host, HostId, HostRecord, Input,
    Kept, Key, LeaseId, Operation, Origin, Outcome, OwnerRecord, Permit, Reply, Request, RequestId,
    Session, Settings, Value, WatchEvent, timing,
};

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// DPEs send without a look at the permit.
    NoPermitCheck,
    /// DPEs take the permit of another session of their host for theirs, and it has one before they
    /// have ended. Either alone does no harm.
    AnySession,
    /// The permit is compared with the wall clock.
    WallClock,
    /// DPEs make their epochs of the wall clock.
    WallEpoch,
    /// Nothing is waited for after a claim.
    NoWait,
    /// Nothing is waited for where another machine had this host's name.
    TrustName,
    /// A permit is counted from a keepalive.
    KeepAlivePermit,
    /// A permit is counted from the answer instead of from the sending.
    LatePermit,
    /// A lease is renewed without a proof.
    BlindKeepAlive,
    /// A lease is renewed all the time.
    Impatient,
    /// A claim does not compare that the former session is over.
    BlindClaim,
    /// A record is given away before the unit has ended.
    HandOverRunning,
    /// What was let go of is run again under the same grant.
    SameGrant,
    /// Units are stopped when the store does not answer.
    StopInSilence,
    /// Another list is not made when the store has forgotten what was missed.
    IgnoreCompaction,
    /// A change is acknowledged when it is sent.
    EarlyAnswer,
    /// A change is attempted again without a look at its id.
    Twice,
    /// A change is refused by what was seen, whatever the store says.
    OldRefusal,
    /// An order that cannot be carried out is not answered.
    Mute,
    /// It sees no other hosts when it claims.
    Greedy,
    /// It takes more than there is room for.
    Overfull,
    /// It takes its own capacity for a quarter of what it is.
    Restless,
    /// It takes every host that is gone for confirmed.
    NoGuard,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Mutant; 23] = [
        Mutant::NoPermitCheck,
        Mutant::AnySession,
        Mutant::WallClock,
        Mutant::WallEpoch,
        Mutant::NoWait,
        Mutant::TrustName,
        Mutant::KeepAlivePermit,
        Mutant::LatePermit,
        Mutant::BlindKeepAlive,
        Mutant::Impatient,
        Mutant::BlindClaim,
        Mutant::HandOverRunning,
        Mutant::SameGrant,
        Mutant::StopInSilence,
        Mutant::IgnoreCompaction,
        Mutant::EarlyAnswer,
        Mutant::Twice,
        Mutant::OldRefusal,
        Mutant::Mute,
        Mutant::Greedy,
        Mutant::Overfull,
        Mutant::Restless,
        Mutant::NoGuard,
    ];

    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Mutant::NoPermitCheck => "no-permit-check",
            Mutant::AnySession => "any-session",
            Mutant::WallClock => "wall-clock",
            Mutant::WallEpoch => "wall-epoch",
            Mutant::NoWait => "no-wait",
            Mutant::TrustName => "trust-name",
            Mutant::KeepAlivePermit => "keepalive-permit",
            Mutant::LatePermit => "late-permit",
            Mutant::BlindKeepAlive => "blind-keepalive",
            Mutant::Impatient => "impatient-host",
            Mutant::BlindClaim => "blind-claim",
            Mutant::HandOverRunning => "hand-over-running",
            Mutant::SameGrant => "same-grant",
            Mutant::StopInSilence => "stop-in-silence",
            Mutant::IgnoreCompaction => "ignore-compaction",
            Mutant::EarlyAnswer => "early-answer",
            Mutant::Twice => "do-twice",
            Mutant::OldRefusal => "old-refusal",
            Mutant::Mute => "mute-host",
            Mutant::Greedy => "greedy-claims",
            Mutant::Overfull => "overfull-host",
            Mutant::Restless => "restless-host",
            Mutant::NoGuard => "no-herd-guard",
        }
    }
}

/// A machine under test: sound, or a mutant.
#[derive(Debug)]
pub(crate) struct Subject {
    host: Host,
    name: HostId,
    mutant: Option<Mutant>,
    session: Option<Session>,
    lease: Option<LeaseId>,
    /// When keepalives were sent, and proofs.
    sent: BTreeMap<RequestId, (u64, bool)>,
    next_blind_us: u64,
    /// The last grant of each deployment, and whether it was used again.
    grants: BTreeMap<DeploymentId, (Grant, bool)>,
    /// The permit's end; 0: there is none.
    permit_us: u64,
    effects: Vec<Effect>,
}

/// A request number that the machine never uses.
const BLIND: RequestId = RequestId(u64::MAX);

impl Subject {
    pub(crate) fn new(
        settings: Settings,
        kept: Kept,
        now_us: u64,
        mutant: Option<Mutant>,
    ) -> Subject {
        let mut settings = settings;
        if mutant == Some(Mutant::Overfull) {
            settings.record.capacity *= 8;
        }
        let mut subject = Subject {
            name: settings.host.clone(),
            session: kept.session,
            host: Host::new(settings, kept, now_us),
            mutant,
            lease: None,
            sent: BTreeMap::new(),
            next_blind_us: u64::MAX,
            grants: BTreeMap::new(),
            permit_us: 0,
            effects: Vec::new(),
        };
        subject.collect(now_us);
        subject
    }

    pub(crate) fn status(&self, now_us: u64) -> ownership::Status {
        self.host.status(now_us)
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        let blind = self.is_blind().then_some(self.next_blind_us);
        self.host.deadline().into_iter().chain(blind).min()
    }

    pub(crate) fn handle(&mut self, now_us: u64, mut input: Input) {
        if self.mutant.is_some() && self.spoil(now_us, &mut input) {
            return;
        }
        self.host.handle(now_us, input);
        self.collect(now_us);
        if self.is(Mutant::StopInSilence) && self.permit_us > 0 && now_us > self.permit_us {
            self.permit_us = 0;
            for (name, (grant, _)) in &self.grants {
                let stop = Effect::Stop(name.clone(), grant.revision);
                self.effects.push(stop);
            }
        }
        if self.next_blind_us <= now_us && self.is_blind() {
            self.sent.insert(BLIND, (now_us, true));
            let parts = if self.is(Mutant::Impatient) { 200 } else { 1 };
            self.next_blind_us = now_us + timing::PROOF_US / parts;
            let lease = self.lease.map(Request::LeaseKeepAlive);
            self.effects.extend(lease.map(|it| Effect::Send(BLIND, it)));
        }
    }

    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Whether it renews its lease by itself, without a proof.
    fn is_blind(&self) -> bool {
        self.is(Mutant::BlindKeepAlive)
            || self.is(Mutant::KeepAlivePermit)
            || self.is(Mutant::Impatient)
    }

    fn is(&self, mistake: Mutant) -> bool {
        self.mutant == Some(mistake)
    }

    /// Changes what the machine is given. True: it gets nothing.
    fn spoil(&mut self, now_us: u64, input: &mut Input) -> bool {
        if let Input::Answer(id, answer) = input {
            let sent = self.sent.remove(id);
            if let (Some((sent_us, is_keepalive)), Ok(_)) = (sent, &*answer) {
                let counts_from = match self.mutant {
                    Some(Mutant::KeepAlivePermit) if is_keepalive => Some(sent_us),
                    Some(Mutant::LatePermit) if !is_keepalive => Some(now_us + timing::TTL_US / 3),
                    _ => None,
                };
                let session = self.session;
                let permit = counts_from.zip(session).map(|(from_us, session)| Permit {
                    session,
                    until_us: from_us + timing::PERMIT_US,
                });
                self.effects.extend(permit.map(Effect::Publish));
            }
        }
        match input {
            Input::Watched(_, WatchEvent::Compacted) => self.is(Mutant::IgnoreCompaction),
            Input::Watched(_, WatchEvent::Changes(_, changes)) => {
                for change in changes.iter_mut() {
                    self.spoil_change(change);
                }
                if self.is(Mutant::NoGuard) {
                    *changes = changes.drain(..).flat_map(without_a_record).collect();
                }
                false
            }
            Input::Answer(_, Ok(Reply::Listed(_, entries))) => {
                for entry in entries.iter_mut() {
                    self.spoil_entry(entry);
                }
                let (greedy, name) = (self.is(Mutant::Greedy), self.name.clone());
                entries.retain(|it| !greedy || is_not_another(&it.key, &name));
                if self.is(Mutant::NoGuard) {
                    let keys: Vec<Key> = entries.iter().map(|it| it.key.clone()).collect();
                    entries.retain(|it| match &it.key {
                        Key::Host(host) => keys.contains(&Key::Alive(host.clone())),
                        _ => true,
                    });
                }
                false
            }
            Input::Answer(_, Ok(Reply::Txn(reply))) => {
                for entry in &mut reply.found {
                    self.spoil_entry(entry);
                }
                false
            }
            _ => false,
        }
    }

    fn spoil_change(&self, change: &mut Changed) {
        if self.is(Mutant::Greedy) && !is_not_another(&change.key, &self.name) {
            change.value = None;
        }
        if let Some(value) = &mut change.value {
            self.spoil_value(&change.key, value);
        }
    }

    fn spoil_entry(&self, entry: &mut Entry) {
        self.spoil_value(&entry.key, &mut entry.value);
    }

    fn spoil_value(&self, key: &Key, value: &mut Value) {
        match value {
            Value::Owner(owner)
                if self.is(Mutant::NoWait)
                    || self.is(Mutant::TrustName)
                        && owner.host == self.name
                        && owner.origin == Origin::Taken(self.name.clone()) =>
            {
                let origin = Origin::Again;
                *owner = OwnerRecord {
                    origin,
                    ..OwnerRecord::clone(owner)
                }
                .into();
            }
            Value::Host(record) if self.is(Mutant::Overfull) => {
                let capacity = record.capacity * 8;
                *record = HostRecord {
                    capacity,
                    ..HostRecord::clone(record)
                }
                .into();
            }
            Value::Host(record) if self.is(Mutant::Restless) => {
                let is_own = *key == Key::Host(self.name.clone());
                let capacity = if is_own {
                    record.capacity
                } else {
                    record.capacity * 4
                };
                *record = HostRecord {
                    capacity,
                    ..HostRecord::clone(record)
                }
                .into();
            }
            _ => {}
        }
    }

    /// Takes what the machine wants, and changes it.
    fn collect(&mut self, now_us: u64) {
        while let Some(mut effect) = self.host.poll_effect() {
            if self.mutant.is_some() {
                self.note(now_us, &effect);
                match &mut effect {
                    Effect::Send(_, Request::Txn(txn))
                        if self.is(Mutant::SameGrant) && is_reclaim(txn) =>
                    {
                        self.run_again(txn);
                        continue;
                    }
                    Effect::Ordered(_, outcome)
                        if self.is(Mutant::Mute) && *outcome != Outcome::Done =>
                    {
                        continue;
                    }
                    Effect::Send(_, Request::Txn(txn)) => {
                        self.spoil_txn(txn);
                        self.answer_early(&effect);
                    }
                    Effect::Stop(name, revision)
                        if self.is(Mutant::HandOverRunning)
                            || self.is(Mutant::AnySession) && self.permit_us == 0 =>
                    {
                        let (name, revision) = (name.clone(), *revision);
                        self.effects.push(effect);
                        self.host.handle(now_us, Input::DpeEnded(name, revision));
                        continue;
                    }
                    _ => {}
                }
            }
            self.effects.push(effect);
        }
    }

    fn note(&mut self, now_us: u64, effect: &Effect) {
        match effect {
            Effect::Keep(session) => (self.session, self.lease) = (Some(*session), None),
            Effect::Publish(permit) => self.permit_us = permit.until_us,
            Effect::Start(name, grant) => {
                self.grants.insert(name.clone(), (*grant, false));
            }
            Effect::Send(id, Request::LeaseKeepAlive(lease)) => {
                self.lease = Some(*lease);
                if self.next_blind_us == u64::MAX {
                    self.next_blind_us = now_us;
                }
                self.sent.insert(*id, (now_us, true));
            }
            Effect::Send(id, Request::Txn(txn))
                if txn.then.len() == 1 && matches!(txn.then[0], Operation::Get(_)) =>
            {
                self.sent.insert(*id, (now_us, false));
            }
            _ => {}
        }
    }

    fn answer_early(&mut self, effect: &Effect) {
        let Effect::Send(_, Request::Txn(txn)) = effect else {
            return;
        };
        for operation in &txn.then {
            if let Operation::Put(Key::Change(id), Value::Change(Some(generation)), _) = operation
                && self.is(Mutant::EarlyAnswer)
            {
                let done = Effect::Answer(*id, Answer::Done(*generation));
                self.effects.push(done);
            }
        }
    }

    /// Starts what was let go of under the grant that it had.
    fn run_again(&mut self, txn: &ownership::Txn) {
        for operation in &txn.then {
            if let Operation::Put(Key::Owner(name), ..) = operation
                && let Some((grant, used)) = self.grants.get_mut(name)
                && !std::mem::replace(used, true)
            {
                self.effects.push(Effect::Start(name.clone(), *grant));
            }
        }
    }

    fn spoil_txn(&self, txn: &mut ownership::Txn) {
        let is_claim = |it: &Operation| match it {
            Operation::Put(_, Value::Owner(owner), _) => !matches!(owner.origin, Origin::Handed(_)),
            _ => false,
        };
        if txn.then.iter().any(is_claim) {
            if self.is(Mutant::BlindClaim) {
                let is_alive = |it: &Compare| match it {
                    Compare::Absent(key) | Compare::Revision(key, _) | Compare::Holds(key, _) => {
                        matches!(key, Key::Alive(_))
                    }
                };
                txn.compare.retain(|it| !is_alive(it));
            }
            if self.is(Mutant::NoWait) || self.is(Mutant::TrustName) {
                for operation in &mut txn.then {
                    if let Operation::Put(key, value, _) = operation {
                        self.spoil_value(key, value);
                    }
                }
            }
        }
        let buries = |it: &Operation| matches!(it, Operation::Put(_, Value::Change(None), _));
        if self.is(Mutant::OldRefusal) && txn.then.iter().any(buries) {
            txn.compare.truncate(1);
        }
        if self.is(Mutant::Twice) {
            let is_change = |it: &Compare| {
                let (Compare::Absent(key) | Compare::Revision(key, _)) = it else {
                    return false;
                };
                matches!(key, Key::Change(_) | Key::Deployment(_))
            };
            let is_update = txn.then.len() == 2 && txn.compare.iter().all(is_change);
            if is_update {
                txn.compare.clear();
            }
        }
    }
}

/// Whether a transaction takes back what its host has let go of, and nothing else.
fn is_reclaim(txn: &ownership::Txn) -> bool {
    let is_again = |it: &Operation| match it {
        Operation::Put(_, Value::Owner(owner), _) => owner.origin == Origin::Again,
        _ => false,
    };
    !txn.then.is_empty() && txn.then.iter().all(is_again)
}

/// A host that goes, as one that was taken out before.
fn without_a_record(change: Changed) -> Vec<Changed> {
    match &change.key {
        Key::Alive(host) if change.value.is_none() => {
            let key = Key::Host(host.clone());
            let record = Changed {
                key,
                ..change.clone()
            };
            vec![record, change]
        }
        _ => vec![change],
    }
}

/// False for the records of other hosts.
fn is_not_another(key: &Key, name: &HostId) -> bool {
    !matches!(key, Key::Host(host) if host != name)
}
