//! The last resort: taking the guest down at once, as a power cut does, because its services are
//! not down when the DPE is about to start them elsewhere.
//!
//! Nothing here needs what may just have failed. It runs in a thread of its own, so that an engine
//! that hangs (in a write to a disk, in the log) does not hold it up; each step that may hang has
//! another thread, and is not waited for longer than its bound; the log comes after the deed.
//!
//! 1. What is left of operations and services is killed: a guest that cannot be reset has at least
//!    nothing running then.
//! 2. The administrator's command, if there is one: bounded.
//! 3. The kernel: reboot(2), which may hang in a driver; then SysRq, which waits for no driver, but
//!    only where this is the machine's own kernel and not a container's.
//! 4. The guest's init is told to reboot at once, for containers that may not call reboot(2).
//!
//! An agent that is run by hand with a command stops at step 2: it would take down the machine of
//! whoever tests it.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rustix::system::{RebootCommand, reboot};

use crate::clock::boottime_us;
use crate::remains::{self, Remains};
use crate::standing::come_first;

/// How long the command may take before the kernel is called. The DPE counts two seconds for the
/// whole.
const COMMAND: Duration = Duration::from_millis(800);
/// How long reboot(2) may take before SysRq.
const REBOOT: Duration = Duration::from_millis(500);
/// Pause before everything is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// How often the deadline is looked at: a guest that was suspended notices this late at most.
const LOOK: Duration = Duration::from_millis(250);
/// How much later than the engine this thread acts. An engine that is alive does it itself, and can
/// say why.
const ENGINE_FIRST_US: u64 = 100_000;

/// How the guest is taken down.
#[derive(Debug, Clone)]
pub struct Reset {
    /// The administrator's command, if there is one.
    pub command: Option<String>,
    /// Whether the kernel is called where the command has not taken the guest down. Without a
    /// command it is called in any case.
    pub kernel_too: bool,
}

/// Takes the guest down; does not return. `remains` is what to kill first.
pub fn reset_guest(reset: &Reset, remains: &Remains) -> ! {
    let mut attempt = 0_u32;
    loop {
        let killing = remains.clone();
        bounded(COMMAND, move || remains::kill(&killing));
        let mut done = "killed what was left".to_owned();
        if let Some(command) = &reset.command {
            done = format!("{done}; {}", run(command));
        }
        if reset.command.is_none() || reset.kernel_too {
            done = format!("{done}; {}", call_kernel());
        }
        attempt = attempt.saturating_add(1);
        // In a thread of its own: the log may hang.
        bounded(Duration::from_millis(100), move || {
            tracing::error!(attempt, "resetting this guest: {done}");
        });
        thread::sleep(RETRY);
    }
}

/// Runs the administrator's command; says what became of it.
fn run(command: &str) -> String {
    let spawned = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return format!("the reboot command cannot run: {error}"),
    };
    let begin = Instant::now();
    while begin.elapsed() < COMMAND {
        match child.try_wait() {
            Ok(Some(status)) => return format!("the reboot command ended: {status}"),
            Ok(None) => thread::sleep(Duration::from_millis(10)),
            Err(error) => return format!("the reboot command cannot be waited for: {error}"),
        }
    }
    // It goes on: killing it could end what it has begun.
    format!("the reboot command has run for {} ms", COMMAND.as_millis())
}

/// Has the kernel reset the guest; says what became of it.
fn call_kernel() -> String {
    bounded(REBOOT, || {
        let _ = reboot(RebootCommand::Restart);
    });
    if is_own_kernel() {
        bounded(REBOOT, || {
            let _ = std::fs::write("/proc/sys/kernel/sysrq", "1");
            let _ = std::fs::write("/proc/sysrq-trigger", "b");
        });
    }
    // systemd takes SIGRTMIN+15 for "reboot immediately".
    bounded(REBOOT, || {
        let _ = Command::new("/bin/sh").args(["-c", "kill -49 1"]).status();
    });
    "the kernel and init were told to reset".to_owned()
}

/// Whether this is the machine's first PID namespace. A container's SysRq is that of its host.
pub fn is_own_kernel() -> bool {
    /// The kernel's fixed inode number of that namespace.
    const FIRST: &str = "pid:[4026531836]";
    std::fs::read_link("/proc/self/ns/pid").is_ok_and(|name| name.as_os_str() == FIRST)
        && !std::path::Path::new("/run/systemd/container").exists()
}

/// Does something that may hang, and waits that long for it. Where no thread can be made, it is
/// done here: there is nothing better left.
fn bounded(time: Duration, work: impl FnOnce() + Send + 'static) {
    let work = Arc::new(std::sync::Mutex::new(Some(work)));
    let (done, ended) = std::sync::mpsc::channel();
    let take = {
        let work = Arc::clone(&work);
        move || {
            let work = work.lock().map(|mut work| work.take());
            if let Ok(Some(work)) = work {
                work();
            }
        }
    };
    let again = take.clone();
    let thread = thread::Builder::new().spawn(move || {
        take();
        let _ = done.send(());
    });
    match thread {
        Ok(_) => {
            let _ = ended.recv_timeout(time);
        }
        Err(_) => again(),
    }
}

/// In the place of a deadline: act at once.
const NOW: u64 = 1;
/// In the place of a deadline: the thread is not wanted any more.
const ENDED: u64 = u64::MAX;

/// The thread that resets the guest at a deadline unless that is moved or taken back in time.
#[derive(Debug)]
pub struct Deadman {
    shared: Arc<Shared>,
    thread: Option<Thread>,
    reset: Reset,
}

#[derive(Debug, Default)]
struct Shared {
    /// When, in µs of CLOCK_BOOTTIME; 0 for never.
    at_us: AtomicU64,
    remains: std::sync::Mutex<Remains>,
}

impl Deadman {
    /// Starts the thread. Where none can be made, the engine's own calls are all there is.
    pub fn start(reset: Reset) -> Deadman {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        let by = reset.clone();
        let spawned = thread::Builder::new()
            .name("deadman".into())
            .spawn(move || watch(&watched, &by));
        let thread = match spawned {
            Ok(handle) => Some(handle.thread().clone()),
            Err(error) => {
                tracing::error!(%error, "no thread for the last resort; the engine is the only guard");
                None
            }
        };
        Deadman {
            shared,
            thread,
            reset,
        }
    }

    /// Sets what is to be killed before the guest is reset.
    pub fn set_remains(&self, remains: Remains) {
        if let Ok(mut kept) = self.shared.remains.lock() {
            *kept = remains;
        }
    }

    /// Sets the deadline (µs of CLOCK_BOOTTIME), or takes it back.
    pub fn arm(&self, at_us: Option<u64>) {
        let at_us = at_us.map_or(0, |at| at.saturating_add(ENGINE_FIRST_US).max(1));
        if self.shared.at_us.swap(at_us, Ordering::SeqCst) != at_us {
            self.wake();
        }
    }

    /// Resets the guest now.
    pub fn now(&self) {
        self.shared.at_us.store(NOW, Ordering::SeqCst);
        self.wake();
        if self.thread.is_none() {
            reset_guest(&self.reset, &self.shared.remains());
        }
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
    }
}

impl Drop for Deadman {
    /// Ends the thread with its engine, which has handed the lease to the next process or ended it.
    fn drop(&mut self) {
        // Not one that has been told to act.
        if self.shared.at_us.load(Ordering::SeqCst) != NOW {
            self.shared.at_us.store(ENDED, Ordering::SeqCst);
            self.wake();
        }
    }
}

impl Shared {
    fn remains(&self) -> Remains {
        self.remains
            .lock()
            .map(|remains| remains.clone())
            .unwrap_or_default()
    }
}

fn watch(shared: &Shared, reset: &Reset) {
    come_first();
    loop {
        match shared.at_us.load(Ordering::SeqCst) {
            0 => thread::park(),
            ENDED => return,
            at if boottime_us() >= at => {
                reset_guest(reset, &shared.remains());
            }
            at => {
                let left = Duration::from_micros(at.saturating_sub(boottime_us()));
                thread::park_timeout(left.min(LOOK));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_file(folder: &tempfile::TempDir) -> Reset {
        Reset {
            command: Some(format!("echo >> {}/rebooted", folder.path().display())),
            kernel_too: false,
        }
    }

    fn was_reset(folder: &tempfile::TempDir, within: Duration) -> bool {
        let begin = Instant::now();
        while begin.elapsed() < within {
            if folder.path().join("rebooted").exists() {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }

    #[test]
    fn it_resets_the_guest_at_the_deadline_although_nobody_calls() {
        let folder = tempfile::tempdir().unwrap();
        let deadman = Deadman::start(by_file(&folder));
        deadman.arm(Some(boottime_us() + 50_000));
        assert!(was_reset(&folder, Duration::from_secs(5)));
    }

    #[test]
    fn it_waits_while_the_deadline_is_moved_or_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let deadman = Deadman::start(by_file(&folder));
        for _ in 0..10 {
            deadman.arm(Some(boottime_us() + 200_000));
            assert!(!was_reset(&folder, Duration::from_millis(50)));
        }
        deadman.arm(None);
        assert!(!was_reset(&folder, Duration::from_millis(500)));
        deadman.arm(Some(boottime_us() + 200_000));
        drop(deadman);
        assert!(!was_reset(&folder, Duration::from_millis(500)));
    }

    #[test]
    fn a_command_that_hangs_is_not_waited_for() {
        let begin = Instant::now();
        let said = run("sleep 3");
        assert!(begin.elapsed() < Duration::from_secs(2), "{said}");
    }

    #[test]
    fn work_that_hangs_is_left_behind() {
        let begin = Instant::now();
        bounded(Duration::from_millis(20), || {
            thread::sleep(Duration::from_secs(3));
        });
        assert!(begin.elapsed() < Duration::from_secs(1));
    }
}
