//! A stream to a guest without our agent, through its QEMU guest agent: the same orders, the same
//! inputs for the controller as of a stream to our own.
//!
//! The guest keeps the record (`guest.sh`), so that a lost connection, a DPE that dies and a QEMU
//! guest agent that is restarted lose nothing: each stream begins with all that is recorded. What
//! our agent does by itself is done here: the operations of one resource wait for each other, and
//! recurring ones have their turns. There is no lease: nothing in the guest watches its DPE.

mod guest;
mod network;
mod report;
mod script;
#[cfg(test)]
mod tests;
mod wire;
mod work;

use std::path::Path;
use std::time::Duration;

use controller::{Attributes, Connect, Hello, Input, Reply, Why};
use cpe_bus::records::agent::{CONFIGURE, FACTS};
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::guest::{Guest, Place};
use self::work::Work;
use super::stream::End;
use super::{Ask, Call, Orders, Wants};

/// Resource classes that such a guest can operate, that it tells its name and its addresses, and
/// that it runs what is to be run before a start; no attributes, no questions.
const CAPABILITIES: [&str; 6] = ["ocf", "lsb", "systemd", "service", FACTS, CONFIGURE];
/// So long at most until it is noticed that a guest has another address, or was rebooted while
/// nothing is done in it.
const CHECK: Duration = Duration::from_secs(5);

/// Connects to the guest behind a socket and carries orders and results until the end; `up` is set
/// once the guest has answered.
pub(super) async fn run(
    connect: &Connect,
    socket: &Path,
    orders: &mut Orders,
    inputs: &mpsc::Sender<Input>,
    up: &mut bool,
) -> End {
    let place = Place::at(socket);
    let Err(end) = converse(connect, &place, orders, inputs, up).await;
    end
}

async fn converse(
    connect: &Connect,
    place: &Place,
    orders: &mut Orders,
    inputs: &mpsc::Sender<Input>,
    up: &mut bool,
) -> Result<std::convert::Infallible, End> {
    let mut guest = Guest::open(connect, place, inputs, &orders.permit).await?;
    let identity = guest.greet().await?;
    let page = guest.history().await?;
    let mut facts = identity.network.look(&mut guest).await?;
    let mut next_look = Instant::now() + CHECK;
    *up = true;
    // From before this stream: the controller decides again, from the history.
    orders.drop_old();
    let (mut work, history) = Work::taken_up(connect, inputs, page);
    let connected = Input::AgentConnected {
        assembly: connect.assembly.clone(),
        number: connect.number,
        hello: Hello {
            machine_id: identity.machine_id,
            boot_id: identity.boot_id,
            version: identity.version,
            capabilities: CAPABILITIES.map(str::to_owned).into(),
            facts: facts.clone(),
            ..Hello::default()
        },
        history,
        attributes: Attributes::default(),
    };
    let _ = inputs.send(connected).await;
    guest.next_beat = Some(Instant::now());
    loop {
        guest.beat().await?;
        work.go_on(&mut guest).await?;
        if next_look <= Instant::now() {
            let found = identity.network.look(&mut guest).await?;
            if found != facts {
                facts.clone_from(&found);
                let (assembly, facts) = (connect.assembly.clone(), found);
                let _ = inputs.send(Input::FactsChanged { assembly, facts }).await;
            }
            next_look = Instant::now() + CHECK;
        }
        let wake = [guest.next_beat, work.due()].into_iter().flatten();
        let wake = wake.fold(next_look, Instant::min);
        tokio::select! {
            biased;
            Some(call) = orders.calls.recv() => take(&mut guest, &mut work, connect, call).await?,
            Some(ask) = orders.asks.recv() => refuse(connect, inputs, ask).await,
            () = tokio::time::sleep_until(wake) => {}
        }
    }
}

async fn take(
    guest: &mut Guest<'_>,
    work: &mut Work<'_>,
    connect: &Connect,
    call: Call,
) -> Result<(), End> {
    match call {
        Call::Execute(operation) => work.execute(guest, *operation).await,
        Call::Cancel {
            resource,
            action,
            interval_ms,
        } => work.cancel(guest, resource, action, interval_ms).await,
        Call::Forget(resource) => work.forget(guest, &resource).await,
        Call::Restart(reason) => {
            // Its fencing does that.
            tracing::warn!(
                cpe_deployment = connect.deployment,
                cpe_assembly = connect.assembly.as_str(),
                reason,
                "the guest of {} has no agent that restarts it",
                connect.assembly
            );
            Ok(())
        }
        // It asks nothing.
        Call::Answer(..) => Ok(()),
        Call::Release {
            keep_services,
            done,
        } => {
            let released = work.release(guest, keep_services).await;
            let _ = done.send(());
            if !released? {
                tracing::warn!(
                    cpe_deployment = connect.deployment,
                    cpe_assembly = connect.assembly.as_str(),
                    "services may be running in the guest of {}: it stays this deployment's until its next boot",
                    connect.assembly
                );
            }
            Ok(())
        }
    }
}

/// Nobody in such a guest can answer.
async fn refuse(connect: &Connect, inputs: &mpsc::Sender<Input>, (wants, _): Ask) {
    let text = format!(
        "the guest of {} has no cpe-agent, which would know its attributes",
        connect.assembly
    );
    let why = Why::NotNow;
    let reply = Reply::Refused { why, text };
    match wants {
        Wants::Guest(asker) => {
            let _ = inputs.send(Input::Relayed { asker, reply }).await;
        }
        // They may have stopped waiting.
        Wants::Administrator(waiting) => drop(waiting.send(reply)),
    }
}
