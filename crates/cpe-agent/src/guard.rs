//! The guard: a second process that resets the guest when a lease and its grace are over and nobody
//! has done anything about it.
//!
//! The agent enforces the lease by itself, as long as there is one. The guard is for the rest: an
//! agent that cannot be started (its program, its settings, the process table), that is stopped, or
//! that hangs. Both look into the same place, whatever is set (see [`crate::cli`]). The guard needs
//! nothing but its own memory and the file of the lease. Where that is gone, or cannot be read, the
//! last lease that it has seen counts, and nothing renews it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::clock::{boot_id, boottime_us};
use crate::former::place;
use crate::lease::Lease;
use crate::remains::Remains;
use crate::reset::{Reset, reset_guest};
use crate::standing::come_first;
use crate::store::{IDENTITY, KeptLease, LEASE};

/// How often the lease is looked at, at least.
const LOOK: Duration = Duration::from_millis(250);
/// How much later than the agent the guard acts, µs: the agent knows more, and says why.
const AGENT_FIRST_US: u64 = 400_000;
/// What was being written while it was read is whole the next time.
const ATTEMPTS: usize = 5;

/// Watches the lease for ever. `former`: where a former version may have kept it.
pub fn run(own: &Path, former: Option<&Path>, boot_id_file: &Path, reset: &Reset) -> ! {
    come_first();
    tracing::info!(state_dir = %own.display(), "guarding the lease");
    cpe_daemon::notify(&[cpe_daemon::State::Ready]);
    let mut seen = KeptLease::default();
    loop {
        // Each time: the agent may find out after this has begun, or not live to do so.
        let boot = boot_id(boot_id_file).unwrap_or_default();
        let state_dir = place(own, former, &boot);
        if let Some(lease) = read_lease(&state_dir) {
            seen = lease;
        }
        let belongs = || {
            let identity = read_identity(&state_dir);
            (is_of_this_boot(&identity, &seen, boot_id_file)).then(|| Remains {
                instance: identity.map(|known| known.instance).unwrap_or_default(),
                units: Vec::new(),
            })
        };
        if is_over(&seen.lease, boottime_us())
            && let Some(remains) = belongs()
        {
            reset_guest(reset, &remains);
        }
        thread::sleep(pause(&seen.lease, boottime_us()));
    }
}

/// How long until the guard looks again: when the guest must be down, and before, in case the lease
/// is renewed.
fn pause(lease: &Lease, now_us: u64) -> Duration {
    let acts_us = lease
        .deadline_us()
        .map(|us| us.saturating_add(AGENT_FIRST_US));
    let left_us = acts_us.and_then(|us| us.checked_sub(now_us));
    left_us.map_or(LOOK, |us| Duration::from_micros(us).min(LOOK))
}

/// Whether the guest must be down by now.
fn is_over(lease: &Lease, now_us: u64) -> bool {
    lease
        .deadline_us()
        .is_some_and(|deadline| now_us >= deadline.saturating_add(AGENT_FIRST_US))
}

/// What the file of the lease says; `None` if it is not there or says nothing.
fn read_lease(state_dir: &Path) -> Option<KeptLease> {
    read_whole(&state_dir.join(LEASE))
}

/// What a file says that is overwritten in place; `None` if it is not there or says nothing.
fn read_whole<T: DeserializeOwned>(path: &Path) -> Option<T> {
    for _ in 0..ATTEMPTS {
        match (fs::read(path), fs::read(path)) {
            (Ok(first), Ok(second)) if first == second => {
                if let Ok(value) = serde_json::from_slice(&first) {
                    return Some(value);
                }
            }
            (Err(error), _) if error.kind() == ErrorKind::NotFound => return None,
            _ => {}
        }
        thread::sleep(Duration::from_millis(1));
    }
    None
}

/// The part of the agent's identity that matters here.
#[derive(Debug, Deserialize)]
struct Identity {
    boot_id: String,
    instance: String,
}

fn read_identity(state_dir: &Path) -> Option<Identity> {
    read_whole(&state_dir.join(IDENTITY))
}

/// Whether what lies in the folder is of this boot: in doubt it is. A folder that is not on a tmpfs
/// may hold the lease of an earlier one until the agent has dropped it.
fn is_of_this_boot(identity: &Option<Identity>, kept: &KeptLease, boot_id_file: &Path) -> bool {
    match (identity, boot_id(boot_id_file)) {
        (Some(identity), Ok(boot_id)) => identity.boot_id == boot_id,
        (None, Ok(boot_id)) => !kept.is_of_another(&boot_id),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_the_agent_its_time() {
        let lease = Lease::starting(10, 100).with_grace(50);
        assert!(!is_over(&lease, 160 + AGENT_FIRST_US - 1));
        assert!(is_over(&lease, 160 + AGENT_FIRST_US));
        assert!(!is_over(&Lease::default(), u64::MAX));
    }

    #[test]
    fn it_looks_when_the_guest_must_be_down() {
        let lease = Lease::starting(10, 100).with_grace(50);
        let acts_us = 160 + AGENT_FIRST_US;
        assert_eq!(pause(&lease, 0), LOOK);
        assert_eq!(pause(&lease, acts_us - 7), Duration::from_micros(7));
        // Of another boot, or there is none.
        assert_eq!(pause(&lease, acts_us + 1), LOOK);
        assert_eq!(pause(&Lease::default(), 0), LOOK);
    }

    #[test]
    fn the_guest_is_reset_before_the_dpe_has_waited_though_every_step_hangs() {
        let over = Duration::from_micros(AGENT_FIRST_US) + crate::reset::BOUND;
        assert!(over <= deployment::failover::RESET_MARGIN, "{over:?}");
    }

    #[test]
    fn it_reads_the_lease_as_the_agent_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_lease(folder.path()), None);
        let (store, _) = crate::store::StateFolder::open(folder.path(), "boot").unwrap();
        let lease = Lease::starting(10, 100).with_grace(50);
        store.write_lease(&lease).unwrap();
        let kept = read_lease(folder.path()).unwrap();
        assert_eq!(kept.lease, lease);
        let identity = read_identity(folder.path());
        let other = folder.path().join("boot_id");
        fs::write(&other, "another").unwrap();
        assert!(!is_of_this_boot(&identity, &kept, &other));
        assert!(!is_of_this_boot(&None, &kept, &other));
        assert!(is_of_this_boot(&None, &KeptLease::default(), &other));
        fs::write(&other, "boot").unwrap();
        assert!(is_of_this_boot(&identity, &kept, &other));
        assert!(is_of_this_boot(&None, &kept, &other));
        fs::write(folder.path().join(LEASE), "{").unwrap();
        assert_eq!(read_lease(folder.path()), None);
    }
}
