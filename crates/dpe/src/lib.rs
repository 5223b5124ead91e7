//! `dpe`, the daemon of one deployment: the I/O around one [`controller::Controller`].
//!
//! ```text
//!              ┌──────────── bus (org.cloudpolicy.Dpe1.NAME): requests, status
//!              │   ┌──────── agents: one task per assembly, peer-to-peer D-Bus
//!              ▼   ▼
//!  clock ──▶ shell: inputs ─▶ Controller ─▶ effects ─▶ store (first, synced),
//!                                                      agents, fencing, outbox, inputs on disk
//! ```
//!
//! It decides nothing: every decision is the controller's. What it adds is order: an effect is done
//! only after the state that it follows from is durable, and a request is answered only after that
//! too. The exception is the renewal of leases, which must not wait for a disk: see `saving`.
//!
//! Every queue is bounded, and the loop never waits for one, nor for the disk:
//!
//! | queue | when it is full |
//! | --- | --- |
//! | inputs of the loop | the tasks that fill it wait, and the agents behind them |
//! | calls to one agent | its stream is given up and made again, and its History read |
//! | requests of the bus | the caller gets `Busy` |
//! | events for the log | the oldest is dropped, as the controller drops it on disk |
//! | effects that wait for the disk | no more come: nothing is begun or decided until it answers |
//! | messages of one agent | it is disconnected, and not heard again before it may send more |
//!
//! It is a library with a small program, so that tests of other parts can have a real DPE beside
//! them.

#![warn(missing_docs)]

mod agents;
mod apart;
mod bus;
mod catalogue;
mod clock;
mod convert;
mod explain;
mod fencing;
mod kept_inputs;
mod newest;
mod outbox;
mod permit;
mod room;
mod saving;
mod shell;
mod spans;
mod store;

use std::path::Path;
use std::sync::Arc;

use cpe_bus::BusSelection;

pub use crate::apart::keep_signals_in;
pub use crate::permit::NoRight;
pub use crate::store::{
    Durability, FactStore, Known, Place, Refusal, Remote, SharedPlace, durability,
};

/// The exit status of a DPE without the right to run its deployment ([`NoRight`]). Its unit says
/// `RestartPreventExitStatus=75`: cpe starts it again when there is another grant.
pub const NO_RIGHT: u8 = 75;

/// Runs a deployment on a bus until a signal asks it to end, with its state in `directory`, keeping
/// the last `keep_inputs` inputs of the policy engine there. `runtime` is a directory in memory, by
/// which a state from a backup is found out. `certificates` is a directory with what is shown to
/// agents on networks ([`cpe_bus::identity`]); it is read when a document names such an address.
/// Fence agents are run by who listens at `fence_socket`. `cluster` is the folder with the grants
/// and the permit of a host that shares deployments with others, and with the socket by which their
/// DPEs share facts.
///
/// # Errors
/// If another DPE has the saved state, or a newer version wrote it; if another process has the name
/// on the bus, and systemd has not started this one; [`NoRight`] if another host may run the
/// deployment.
/// A disk or a bus that does not work is waited for.
pub async fn run(
    deployment: &str,
    bus: BusSelection,
    directory: &Path,
    runtime: Option<&Path>,
    keep_inputs: u64,
    (certificates, fence_socket): (&Path, &Path),
    cluster: Option<&Path>,
) -> anyhow::Result<()> {
    let right = permit::Permit::of(cluster, deployment)?;
    let grant = right.revision();
    let place: Arc<dyn Place> = match cluster.zip(grant) {
        None => Arc::new(store::Local::at(directory)),
        Some((folder, grant)) => {
            let remote = Arc::new(store::Socket::new(folder, grant));
            Arc::new(SharedPlace::new(directory, remote, grant))
        }
    };
    let right = (right, permit::LastEpoch::in_directory(runtime));
    let kept = kept_inputs::KeptInputs::new(directory, keep_inputs);
    let shelf = kept.shelf();
    let state = (place, newest::Newest::in_directory(runtime, grant));
    let paths = (certificates, fence_socket);
    let kept = (kept, shelf);
    shell::run(deployment, bus, state, kept, paths, right).await
}
