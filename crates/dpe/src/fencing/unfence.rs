//! Letting an assembly in again, with all devices that unfence it: the action `on` of each.
//!
//! It is ended when its time is over, or when the assembly is to be fenced. An `on` that came after
//! the `off` would undo that: so the end is told when the agent is killed and nothing of it is
//! left.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::bail;
use controller::{DeviceUse, UnfenceRequest};
use tokio::sync::watch;
use tokio::time::Instant;

use super::agent::Gate;
use super::device::{NotForIt, Ready};

/// Attempts under way, by their numbers: each is ended when its sender says so.
#[derive(Debug, Default)]
pub(crate) struct LettingIn(BTreeMap<u64, watch::Sender<bool>>);

impl LettingIn {
    /// An attempt begins. Gives what says that it is to end.
    pub(crate) fn begin(&mut self, attempt: u64) -> watch::Receiver<bool> {
        self.0.retain(|_, sender| !sender.is_closed());
        let (sender, receiver) = watch::channel(false);
        self.0.insert(attempt, sender);
        receiver
    }

    /// An attempt is to end, if it has not.
    pub(crate) fn end(&self, attempt: u64) {
        if let Some(sender) = self.0.get(&attempt) {
            sender.send_replace(true);
        }
    }

    /// All attempts are to end: this host may not act any more. Another host's DPE may have the
    /// guest cut off soon, and an `on` that came after that would undo it.
    pub(crate) fn end_all(&self) {
        for sender in self.0.values() {
            sender.send_replace(true);
        }
    }
}

/// Lets an assembly in: `Ok` only if each device that is for it has said so, and there is one. All
/// are asked, also after one that has failed. When this is over, nothing of it is left.
///
/// Where a device has to be asked whom it is for, the document does not say so, and nobody can know
/// that a guest which no device lets in has its disks.
pub(crate) async fn unfence(
    gate: &Gate,
    request: &UnfenceRequest,
    ends: watch::Receiver<bool>,
) -> Result<(), String> {
    let until = Instant::now() + Duration::from_millis(request.timeout_ms.into());
    let (mut failed, mut others, mut done) = (Vec::new(), Vec::new(), 0);
    for used in &request.devices {
        let mut ends = ends.clone();
        match let_in(gate, used, until, &mut ends).await {
            Ok(()) => done += 1,
            Err(error) => {
                let list = match error.is::<NotForIt>() {
                    true => &mut others,
                    false => &mut failed,
                };
                list.push(format!("{}: {error:#}", used.device.id));
            }
        }
        if *ends.borrow() {
            break;
        }
    }
    match failed.is_empty() {
        true if *ends.borrow() => Err(ENDED.to_owned()),
        true if done == 0 => Err(format!(
            "no device that unfences is for it ({}): have one of them list it, name the assemblies of each with pcmk_host_list or \
             pcmk_host_map, or give what needs no unfencing requires=\"fencing\"",
            others.join("; ")
        )),
        true => Ok(()),
        false => Err(failed.join("; ")),
    }
}

/// Why it has no end of its own.
const ENDED: &str = "it was ended, since the assembly is to be fenced or this host may not act now";

async fn let_in(
    gate: &Gate,
    used: &DeviceUse,
    until: Instant,
    ends: &mut watch::Receiver<bool>,
) -> anyhow::Result<()> {
    // Questions change nothing: they may be dropped.
    let found = tokio::select! {
        found = Ready::new(gate, used) => found,
        why = over(until, ends) => bail!(why),
    };
    let ready = found?;
    let (agent, on) = (&used.device.agent, &used.device.on);
    if ready.known.runs_in_host(&on.action) {
        bail!(
            "\"{}\" of {agent} has to run in the guest that it lets in, where no fence agent is run: use a device that the DPE's host can ask",
            on.action
        );
    }
    if !ready.known.knows(&on.action) {
        bail!("{agent} cannot let in again what it has cut off");
    }
    let until = until.min(Instant::now() + Duration::from_millis(on.timeout_ms.into()));
    let mut more = 1..on.tries;
    loop {
        let once = ready.agent.once(&on.action, Box::pin(over(until, ends)));
        let Err(error) = once.await else {
            return Ok(());
        };
        if more.next().is_none() || *ends.borrow() || until <= Instant::now() {
            return Err(error);
        }
    }
}

/// Waits until it is to end; says why.
async fn over(until: Instant, ends: &mut watch::Receiver<bool>) -> String {
    tokio::select! {
        // Nobody is left who could say so when the process ends.
        _ = ends.wait_for(|ends| *ends) => ENDED.to_owned(),
        () = tokio::time::sleep_until(until) => "it was not done in time".to_owned(),
    }
}
