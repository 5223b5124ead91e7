//! How the engine answers connections and tools.

use cpe_bus::records::agent::{ATTRIBUTES, CONFIGURE, FACTS, QUESTIONS};
use cpe_bus::{
    AgentDescription, Error, GUEST_SECRETS, HelloReply, Operation, OperationState, Result,
};
use tokio::time::Instant;

use super::commands::{Call, Command, Hello, Reply};
use super::leaving::begins;
use super::log::log;
use super::stopping::{Cause, Phase};
use super::{
    DEFAULT_GRACE_MS, DEFAULT_HEARTBEAT_MS, DEFAULT_STOP_TIMEOUT_MS, Engine, history, not_durable,
};
use crate::clock::boottime_us;
use crate::store::Identity;

/// Operations that may run and wait in all lanes together. A DPE has at most 128 under way; the
/// rest is for monitors whose time has come while their lane is busy.
const MAX_UNFINISHED: usize = 4096;
/// Records that the history may have: a hundred services with dozens of monitors each, and as many
/// small files under /run.
const MAX_RECORDS: usize = 16_384;

/// Sends an answer. A caller that does not wait for it any more is not an error.
fn answer<T>(reply: Reply<T>, answer: Result<T>) {
    let _ = reply.send(answer);
}

/// What the DPE wants, or the default where it does not say.
fn or_default(value: u32, default: u32) -> u32 {
    if value == 0 { default } else { value }
}

impl Engine {
    pub(super) fn handle(&mut self, command: Command) {
        match command {
            Command::Hello { hello, reply } => answer(reply, self.hello(hello)),
            Command::Describe { reply } => answer(reply, self.description()),
            Command::Call { peer, epoch, call } => {
                let allowed = self.authorise(peer, epoch);
                self.call(allowed, call);
            }
            Command::Attribute(asked) => self.tool_asks(asked),
            Command::Disconnected { peer } => {
                if self.peer.as_ref().is_some_and(|active| active.id == peer) {
                    log!(info, self.identity, "the DPE has gone; operations go on");
                    self.drop_peer();
                    self.answer_as_the_last_dpe();
                }
            }
        }
    }

    fn call(&mut self, allowed: Result<()>, call: Call) {
        match call {
            Call::Renew { stamp, reply } => {
                answer(reply, allowed.and_then(|()| self.renew(stamp)));
            }
            Call::Execute { operation, reply } => {
                answer(reply, allowed.and_then(|()| self.execute(*operation)));
            }
            Call::Cancel {
                resource,
                action,
                interval_ms,
                reply,
            } => {
                let found = allowed.map(|()| self.cancel(&resource, &action, interval_ms));
                answer(reply, found);
            }
            Call::Forget { resource, reply } => {
                answer(reply, allowed.and_then(|()| self.forget(&resource)));
            }
            Call::History { reply } => {
                let history = allowed.map(|()| history::bounded(&self.records));
                answer(reply, history);
            }
            Call::Attributes { reply } => {
                answer(reply, allowed.map(|()| self.attributes.set.reported()));
            }
            Call::Answer {
                number,
                answer: told,
                reply,
            } => answer(reply, allowed.map(|()| self.answered(number, told))),
            Call::Ask { question, reply } => {
                answer(reply, allowed.map(|()| self.answer_for_another(*question)));
            }
            Call::Restart { reason, reply } => {
                let ended = allowed.and_then(|()| self.end_lease(&reason));
                answer(reply, ended);
                self.watch_lease();
            }
            Call::Release {
                keep_services,
                reply,
            } => match allowed {
                Err(error) => answer(reply, Err(error)),
                Ok(()) => self.release(keep_services, reply),
            },
        }
    }

    /// Takes a DPE's Hello: from then on its calls are obeyed, and heartbeats go to it.
    fn hello(&mut self, hello: Hello) -> Result<HelloReply> {
        self.must_take_hello(&hello)?;
        let machine_id = self.machine_id()?;
        let identity = self.identity_after(&hello)?;
        let now = boottime_us();
        let lease_remaining_ms = self.lease.remaining_ms(now);
        let lease_ms = hello.settings.lease_ms;
        let grace_ms = or_default(hello.settings.grace_ms, DEFAULT_GRACE_MS);
        let lease = self
            .lease
            .with_length(u64::from(lease_ms) * 1000, now)
            .with_grace(u64::from(grace_ms) * 1000);
        self.store
            .write_lease(&lease)
            .and_then(|()| self.store.write_identity(&identity))
            .map_err(not_durable)?;
        if self.is_another(&hello.deployment, &hello.assembly) {
            self.forget_everything();
            self.give_questions_up("this guest belongs to another assembly or deployment now");
        }
        self.lease = lease;
        let epoch = identity.epoch;
        log!(info, identity, epoch, lease_ms, "a DPE has taken over");
        self.identity = identity;
        if self
            .peer
            .as_ref()
            .is_some_and(|active| active.id != hello.peer.id)
        {
            self.drop_peer();
        }
        self.drop_attributes_unless(Some(&hello.deployment));
        self.peer = Some(hello.peer);
        self.heartbeat_due = Some(Instant::now());
        self.ask_again(hello.settings.answers);
        Ok(HelloReply {
            machine_id,
            boot_id: self.identity.boot_id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            capabilities: ["ocf", "lsb", "systemd", "service"]
                .map(|class| format!("class:{class}"))
                .into_iter()
                .chain([ATTRIBUTES, QUESTIONS, FACTS, CONFIGURE, GUEST_SECRETS].map(str::to_owned))
                .collect(),
            lease_remaining_ms,
            now_boottime_us: now,
            leaving: self.terminating.is_some(),
            facts: self.facts.borrow_and_update().clone(),
        })
    }

    /// What anybody who may connect may know.
    fn description(&self) -> Result<AgentDescription> {
        let active = self.active().len();
        Ok(AgentDescription {
            machine_id: self.machine_id()?,
            boot_id: self.identity.boot_id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            deployment: self.identity.deployment.clone(),
            assembly: self.identity.assembly.clone(),
            epoch: self.identity.epoch,
            active_services: u32::try_from(active).unwrap_or(u32::MAX),
            lease_remaining_ms: self.lease.remaining_ms(boottime_us()),
            leaving: self.terminating.is_some(),
        })
    }

    /// Who this guest is.
    ///
    /// # Errors
    /// While that is not known: no DPE may take this guest for another one.
    fn machine_id(&self) -> Result<String> {
        let known = self
            .machine_id
            .get()
            .filter(|_| !self.identity.boot_id.is_empty());
        known.map(str::to_owned).ok_or_else(|| {
            Error::NotReady(
                "the machine id or the boot id of this guest cannot be read yet; see the log"
                    .into(),
            )
        })
    }

    /// Whether this guest is an assembly, and another one than that.
    fn is_another(&self, deployment: &str, assembly: &str) -> bool {
        let Identity {
            deployment: own, ..
        } = &self.identity;
        !own.is_empty() && (own != deployment || self.identity.assembly != assembly)
    }

    /// Refuses the Hello of another assembly, or of another deployment's, while this guest has not
    /// been given up: services may run here, the lease that says so is in force, or its DPE is
    /// connected.
    fn must_not_be_occupied(&self, deployment: &str, assembly: &str) -> Result<()> {
        if !self.is_another(deployment, assembly) {
            return Ok(());
        }
        let active = self.active().len();
        let lease = self.lease.end_us().is_some();
        if self.peer.is_none() && active == 0 && !lease {
            return Ok(());
        }
        let because = match (active, lease) {
            (1.., _) => format!("{active} services may run here"),
            (0, true) => "its lease is in force".to_owned(),
            (0, false) => "its DPE is connected".to_owned(),
        };
        let Identity {
            deployment: own,
            assembly: name,
            ..
        } = &self.identity;
        Err(Error::Occupied(format!(
            "this guest is assembly {name} of deployment {own}, not {assembly} of {deployment}, and {because}: \
             remove it from that deployment first, or give {assembly} another address"
        )))
    }

    /// Whom this agent obeys after a Hello.
    ///
    /// # Errors
    /// If the Hello must be refused; the text says why.
    fn identity_after(&self, hello: &Hello) -> Result<Identity> {
        let Hello {
            epoch,
            deployment,
            assembly,
            settings,
            ..
        } = hello;
        if deployment.is_empty() || assembly.is_empty() || *epoch == 0 {
            return Err(Error::InvalidArgument(format!(
                "Hello needs a deployment, an assembly and an epoch from 1; found `{deployment}`, `{assembly}`, {epoch}"
            )));
        }
        let mut identity = self.identity.clone();
        self.must_not_be_occupied(deployment, assembly)?;
        if identity.deployment != *deployment {
            identity.epoch = 0;
        }
        let (number, (last_process, last)) = (settings.number, identity.hello);
        let is_same = *epoch == identity.epoch
            && identity.assembly == *assembly
            && settings.process == last_process;
        if is_same && number > 0 && number < last {
            return Err(Error::Superseded(format!(
                "this Hello has number {number} and was on its way for longer than the one with number {last}, which is in force"
            )));
        }
        if *epoch < identity.epoch {
            return Err(Error::StaleEpoch(format!(
                "this agent obeys epoch {}; Hello has epoch {epoch}, so another DPE has taken over",
                identity.epoch
            )));
        }
        identity.deployment.clone_from(deployment);
        identity.assembly.clone_from(assembly);
        identity.epoch = *epoch;
        identity.hello = (settings.process, number);
        identity.heartbeat_interval_ms =
            or_default(settings.heartbeat_interval_ms, DEFAULT_HEARTBEAT_MS);
        identity.stop_timeout_ms = or_default(settings.stop_timeout_ms, DEFAULT_STOP_TIMEOUT_MS);
        Ok(identity)
    }

    fn renew(&mut self, stamp: u64) -> Result<()> {
        self.must_hold_lease()?;
        let now = boottime_us();
        let mut lease = self.lease;
        lease.renew(stamp, now).map_err(|_| {
            Error::InvalidArgument(format!(
                "stamp {stamp} lies in the future: this guest's clock is at {now}"
            ))
        })?;
        if lease != self.lease {
            self.store.write_lease(&lease).map_err(not_durable)?;
            self.lease = lease;
        }
        Ok(())
    }

    /// The DPE wants this guest restarted: the lease ends now, with a reset at its end.
    fn end_lease(&mut self, reason: &str) -> Result<()> {
        let lease = self.lease.restarting(boottime_us()).ok_or_else(|| {
            Error::NotReady(
                "this guest has no lease, so nothing would reset it if its services did not stop"
                    .into(),
            )
        })?;
        self.store.write_lease(&lease).map_err(not_durable)?;
        self.lease = lease;
        log!(
            warn,
            self.identity,
            reason,
            "the DPE has this guest restarted: {reason}"
        );
        Ok(())
    }

    fn execute(&mut self, operation: Operation) -> Result<()> {
        self.must_serve()?;
        let begins = begins(&operation);
        if self.terminating.is_some() && (self.leaving.is_none() || begins) {
            return Err(Error::Busy(
                "this agent is ending; try again when it is back".into(),
            ));
        }
        self.asked_while_leaving(&operation);
        let known = self
            .records
            .values()
            .find(|record| record.operation.id == operation.id);
        if let Some(record) = known.cloned() {
            // The same request again. Its sender may have missed the result.
            if record.state == OperationState::Complete {
                self.report(&record);
            }
            self.report_delay(record.call_id);
            return Ok(());
        }
        if !history::has_room(&self.records, &operation) {
            return Err(Error::TooLarge(
                "the parameters of all operations in the history are too long together for one message: \
                 shorten them, or forget resources that are gone"
                    .into(),
            ));
        }
        let not_before_us = self.not_before_us(&operation)?;
        let unfinished = self.unfinished() + self.delayed();
        if unfinished >= MAX_UNFINISHED || self.records.len() >= MAX_RECORDS {
            return Err(Error::TooLarge(format!(
                "{unfinished} operations wait and the history has {} records; at most {MAX_UNFINISHED} and {MAX_RECORDS} \
                 are kept: wait, or forget resources that are gone",
                self.records.len()
            )));
        }
        let call_id = match self.accept(operation.clone(), not_before_us) {
            Ok(call_id) => call_id,
            // It makes nothing less safe, and what cannot be stopped cannot be helped.
            Err(_) if operation.action == "stop" => self.accept_stop(operation),
            // What is refused with this has failed, and is decided about.
            Err(error) => return Err(Error::TooLarge(not_durable(error).message())),
        };
        self.enqueue_in_time(call_id);
        self.report_delay(call_id);
        Ok(())
    }

    fn release(&mut self, keep_services: bool, reply: Reply<()>) {
        if let Err(error) = self.must_serve() {
            let _ = reply.send(Err(error));
        } else if keep_services {
            let _ = reply.send(self.give_up());
        } else {
            self.begin_stopping(Cause::Release(reply));
        }
    }

    /// Refuses to lengthen a lease that has ended, or that is to run out because services did not
    /// stop. While services are stopped in order and nothing is lost, it may be renewed.
    fn must_hold_lease(&self) -> Result<()> {
        match &self.phase {
            Phase::Stopping(stopping)
                if !stopping.is_for_lease() && !self.lease.has_ended(boottime_us()) =>
            {
                Ok(())
            }
            _ => self.must_serve(),
        }
    }

    /// Refuses a Hello from which nothing can follow. A DPE that comes back while this agent stops
    /// its services in order, because it leaves, is to hear of it.
    fn must_take_hello(&self, hello: &Hello) -> Result<()> {
        if self.left {
            return Err(Error::Busy(
                "this agent has left: nothing runs here; try again when it is back".into(),
            ));
        }
        let leaves = matches!(&self.phase, Phase::Stopping(stopping) if stopping.is_for_ending());
        let over = self.lease.has_ended(boottime_us());
        if leaves && !over && !self.is_another(&hello.deployment, &hello.assembly) {
            return Ok(());
        }
        self.must_serve()
    }

    /// Refuses what would begin something while services are being stopped.
    fn must_serve(&self) -> Result<()> {
        match &self.phase {
            Phase::Serving if self.stays_for_lease => Err(Error::Busy(
                "this agent was to end and services did not stop: the guest is reset when the lease ends"
                    .into(),
            )),
            Phase::Serving if self.lease.has_ended(boottime_us()) => Err(Error::Busy(
                "the lease has ended: services are about to be stopped; try again".into(),
            )),
            Phase::Serving => Ok(()),
            Phase::Stopping(stopping) => Err(Error::Busy(format!(
                "{}: {} services are being stopped; try again",
                stopping.cause,
                stopping.remaining()
            ))),
            Phase::Rebooting => Err(Error::Busy(
                "the lease has ended and this guest is being reset".into(),
            )),
        }
    }
}
