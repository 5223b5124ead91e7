//! An assembly: its life with its fencing, contact with its agent, the lease that it may hold, and
//! what its agent told. Each of these parts is a machine of its own; what concerns several of them
//! is a method here.

pub(crate) mod contact;
mod course;
mod edges;
pub(crate) mod fence;
pub(crate) mod greeting;
pub(crate) mod lease;
pub(crate) mod power;
pub(crate) mod unfence;

pub(crate) use course::{Course, Life};

use self::contact::Contact;
use self::fence::Fence;
use self::lease::Lease;
use self::power::Power;
use self::unfence::Unfencing;
use super::attributes::{Dampening, NodeAttributes};
use super::history::History;
use super::told::Told;
use super::values::Allowance;
use crate::vocabulary::{AssemblyId, AssemblySpec, Attributes, Connect, Hello, Time};

/// Time in which the controller did not listen, µs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    /// At least so much: it was to be called then, and was not.
    pub lost_us: u64,
    /// At most so much: since it was called last.
    pub unheard_us: u64,
}

/// An assembly as it is now.
#[derive(Debug)]
pub(crate) struct Assembly {
    spec: AssemblySpec,
    course: Course,
    contact: Contact,
    /// Its agent's last; empty until it was heard.
    hello: Hello,
    lease: Lease,
    /// What the shell was last told to connect with. `None`: not to connect.
    sent_settings: Option<Connect>,
    history: History,
    attributes: NodeAttributes,
    /// How often its agent may ask.
    allowance: Allowance,
    power: Power,
    unfencing: Unfencing,
    told: Told,
}

impl Assembly {
    /// One of which nothing was heard yet. `lease_ms`: the lease that its agent may hold by an
    /// earlier DPE.
    pub(crate) fn new(now: Time, spec: AssemblySpec, course: Course, lease_ms: u32) -> Assembly {
        Assembly {
            spec,
            course,
            contact: Contact::awaited(now),
            hello: Hello::default(),
            lease: Lease::inherited(now, lease_ms),
            sent_settings: None,
            history: History::default(),
            attributes: NodeAttributes::default(),
            allowance: Allowance::new(),
            power: Power::default(),
            unfencing: Unfencing::default(),
            told: Told::default(),
        }
    }

    pub(crate) fn spec(&self) -> &AssemblySpec {
        &self.spec
    }

    /// Takes a changed specification over.
    pub(crate) fn take_spec(&mut self, spec: AssemblySpec) {
        self.spec = spec;
    }

    /// It cannot be reached any more where it was: another guest is there.
    pub(crate) fn lose_address(&mut self) {
        self.spec.address = None;
    }

    pub(crate) fn hello(&self) -> &Hello {
        &self.hello
    }

    pub(crate) fn contact(&self) -> &Contact {
        &self.contact
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    pub(crate) fn course(&self) -> &Course {
        &self.course
    }

    pub(crate) fn life(&self) -> Life {
        self.course.life()
    }

    pub(crate) fn is_safe(&self) -> bool {
        self.life() == Life::Safe
    }

    /// Its agent is heard, though perhaps late, or about to be fenced.
    pub(crate) fn is_heard(&self) -> bool {
        self.course.is_heard()
    }

    pub(crate) fn fence(&self) -> Option<&Fence> {
        self.course.fence()
    }

    /// Its fencing, to carry it on. It begins and ends by the edges only.
    pub(crate) fn fence_mut(&mut self) -> Option<&mut Fence> {
        self.course.fence_mut()
    }

    /// When its device is asked to switch it on.
    pub(crate) fn power(&self) -> &Power {
        &self.power
    }

    pub(crate) fn power_mut(&mut self) -> &mut Power {
        &mut self.power
    }

    /// How far its devices are that let it in.
    pub(crate) fn unfencing(&self) -> &Unfencing {
        &self.unfencing
    }

    pub(crate) fn unfencing_mut(&mut self) -> &mut Unfencing {
        &mut self.unfencing
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// Its history, to take in what is heard, or what it is told to do.
    pub(crate) fn history_mut(&mut self) -> &mut History {
        &mut self.history
    }

    /// What its guest has told of its name and addresses and what does not count yet.
    pub(crate) fn told(&self) -> &Told {
        &self.told
    }

    pub(crate) fn told_mut(&mut self) -> &mut Told {
        &mut self.told
    }

    pub(crate) fn attributes(&self) -> &NodeAttributes {
        &self.attributes
    }

    /// Its agent may ask once more; counts it. `now_us`: boot time.
    pub(crate) fn may_ask(&mut self, now_us: u64) -> bool {
        self.allowance.take(now_us)
    }

    /// Its services are managed: it is online, known, and not to be fenced.
    pub(crate) fn usable(&self) -> bool {
        self.is_heard() && self.fence().is_none()
    }

    /// Operations can be sent to it.
    pub(crate) fn reachable(&self) -> bool {
        self.usable() && self.contact.is_up()
    }

    /// What the shell was last told to connect with.
    pub(crate) fn sent_settings(&self) -> Option<&Connect> {
        self.sent_settings.as_ref()
    }

    /// The shell is told to connect with these: the stream that there is ends.
    pub(crate) fn connect(&mut self, settings: Connect) {
        self.contact.end();
        self.sent_settings = Some(settings);
    }

    /// The shell is not to connect, or has to be told again with what. `true`: it was told before.
    pub(crate) fn forget_settings(&mut self) -> bool {
        self.sent_settings.take().is_some()
    }

    /// Its stream is gone, or given up.
    pub(crate) fn disconnect(&mut self) {
        self.contact.end();
    }

    /// Its stream is up, with this Hello. What that means for its life is another question: see
    /// [`greeting::judge`].
    pub(crate) fn greet(&mut self, now: Time, hello: Hello) {
        self.contact.begin(now);
        self.hello = hello;
    }

    /// Its agent answers Hello, and nothing fences it any longer. It begins a lease; `longest_ms`:
    /// the longest that it was ever told.
    pub(crate) fn answer(&mut self, now: Time, lease_ms: u32, longest_ms: u32) {
        self.course.answer();
        self.lease.begin(now, lease_ms, longest_ms);
    }

    /// A heartbeat came. `true`: the ones before were late.
    pub(crate) fn hear(&mut self, now: Time) -> bool {
        self.contact.hear(now);
        let late = self.life() == Life::Missed;
        if late {
            self.course.resume();
        }
        late
    }

    /// Renews its lease by the settings that were sent. Gives the length, milliseconds.
    pub(crate) fn renew_lease(&mut self, now: Time) -> u32 {
        let settings = self.sent_settings.as_ref();
        let lease_ms = settings.map_or(0, |settings| settings.lease_ms);
        self.lease.renew(now, lease_ms);
        lease_ms
    }

    /// It is the same guest as that former incarnation: it may hold the lease of that one, too.
    pub(crate) fn join(&mut self, former: Assembly) {
        self.lease.join(&former.lease);
        self.unfencing.join(former.unfencing);
    }

    /// Boot time at which its life goes on by itself, µs: heartbeats are late after `late_us`, and
    /// it is given up after `timeout_us`.
    pub(crate) fn deadline_us(&self, late_us: u64, timeout_us: u64) -> Option<u64> {
        match self.life() {
            Life::Unknown { until_us } => Some(until_us),
            Life::Online => Some(self.contact.silent_since_us() + late_us),
            Life::Missed => Some(self.contact.silent_since_us() + timeout_us),
            Life::Lost | Life::Safe => None,
        }
    }

    /// This controller did not listen, so silence of that time does not count. Once in a silence,
    /// what is silent has `moment_us` more before `timeout_us` of it are over, and who was not
    /// heard yet is awaited as if nothing of the time without any input had passed.
    pub(crate) fn extend_silence(
        &mut self,
        now: Time,
        lost: Lost,
        moment_us: u64,
        timeout_us: u64,
    ) {
        let Lost {
            lost_us,
            unheard_us,
        } = lost;
        let (moment_us, unheard_us) = match self.contact.extend() {
            true => (moment_us, unheard_us.max(lost_us)),
            false => (0, lost_us),
        };
        if self.is_heard() {
            let later = (self.contact.silent_since_us() + lost_us)
                .max((now.boottime_us + moment_us).saturating_sub(timeout_us));
            self.contact.count_silence_from(later.min(now.boottime_us));
        }
        self.course
            .put_off(|until_us| (until_us + unheard_us).max(now.boottime_us + moment_us));
    }

    /// Its heartbeats are late.
    pub(crate) fn miss(&mut self) {
        self.course.miss();
    }

    /// It is given up, with its stream. That does not make it safe.
    pub(crate) fn lose(&mut self) {
        self.course.lose();
        self.contact.end();
    }

    /// It has to be made safe; the first device is asked after `delay_ms`.
    pub(crate) fn demand_fence(&mut self, reboot: bool, reason: &str, delay_ms: u32) {
        self.course.demand_fence(reboot, reason);
        if let Some(fence) = self.course.fence_mut() {
            fence.delay(delay_ms);
        }
    }

    /// Nothing of ours runs there any more. What is known of its services is to be forgotten, after
    /// their end was told: [`Assembly::forget`].
    pub(crate) fn made_safe(&mut self) {
        self.course.made_safe();
    }

    /// Its agent has stopped everything, has said so, and begins nothing more.
    pub(crate) fn leave(&mut self) {
        self.course.leave();
    }

    /// Its fencing is given up.
    pub(crate) fn give_fence_up(&mut self) {
        self.course.give_fence_up();
    }

    /// It lives on under another name, without its stream: a device that was asked under the former
    /// name answers under that name.
    pub(crate) fn rename(&mut self) {
        self.contact.end();
        self.course.rename();
    }

    /// Its name or its address still belongs to a former life.
    pub(crate) fn hold(&mut self) {
        self.course.hold();
    }

    /// Its guest belongs to somebody else, and nothing of ours is in it.
    pub(crate) fn leave_to_others(&mut self) {
        self.course.leave_to_others();
    }

    /// Forgets what its agent told: that boot, or that life, is over.
    pub(crate) fn forget(&mut self) {
        self.history.clear();
        self.attributes = NodeAttributes::default();
    }

    /// Takes a report of its attributes in: see [`NodeAttributes::report`].
    pub(crate) fn report(
        &mut self,
        name: &AssemblyId,
        report: Attributes,
        dampening: &mut Dampening,
        now_us: u64,
    ) -> Vec<String> {
        self.attributes.report(name, report, dampening, now_us)
    }

    /// Brings what was reported about an attribute into force: see [`NodeAttributes::settle`].
    pub(crate) fn settle(&mut self, name: &AssemblyId, attribute: &str) -> Option<String> {
        self.attributes.settle(name, attribute)
    }

    /// What must always hold. A violation is a mistake of this crate, and worse than a crash: so it
    /// is a crash.
    pub(crate) fn check(&self, name: &AssemblyId) {
        assert!(
            !self.is_safe() || self.fence().is_none(),
            "invariant: {name} is safe, so not being fenced"
        );
        assert!(
            !self.is_safe() || self.history.records().next().is_none(),
            "invariant: nothing runs in {name}"
        );
    }
}

#[cfg(test)]
mod tests;
