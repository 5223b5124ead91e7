//! The last resort: taking the guest down at once, as a power cut does, because its services are
//! not down when the DPE is about to start them elsewhere.
//!
//! Nothing here needs what may just have failed. It runs in a thread of its own, so that an engine
//! that hangs (in a write to a disk, in the log) does not hold it up; each step may hang, so it has
//! another thread, and is not waited for longer than its bound; the log comes after the deed.
//!
//! 1. What is left of operations and services is killed: a guest that cannot be reset has at least
//!    nothing running then.
//! 2. The administrator's command, if there is one.
//! 3. The kernel: reboot(2), which may hang in a driver; then SysRq, which waits for no driver, but
//!    only where this is the machine's own kernel and not a container's.
//! 4. The guest's init is told to reboot at once, for containers that may not call reboot(2).
//!
//! If all of them hang, the last one is over [`BOUND`] after the decision: the DPE waits longer.
//!
//! An agent that is run by hand with a command stops at step 2: it would take down the machine of
//! whoever tests it.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use rustix::system::{RebootCommand, reboot};

use crate::clock::boottime_us;
use crate::remains::{self, Remains};
use crate::standing::come_first;

/// How long killing what is left may take. It goes on beside what follows.
const KILL: Duration = Duration::from_millis(300);
/// How long the command may take before the kernel is called. It goes on beside that.
const COMMAND: Duration = Duration::from_millis(400);
/// How long reboot(2) may take before SysRq.
const REBOOT: Duration = Duration::from_millis(300);
/// How long SysRq may take, where it is used. Where it is not, init is told instead.
const SYSRQ: Duration = Duration::from_millis(200);
/// How long init may take to be told.
const INIT: Duration = Duration::from_millis(200);
/// How long after the decision the last step is over, if each takes its whole time. What the DPE
/// waits is derived in the crate `deployment`, and counts this with what passes until the decision.
pub const BOUND: Duration = KILL
    .saturating_add(COMMAND)
    .saturating_add(REBOOT)
    .saturating_add(SYSRQ)
    .saturating_add(INIT);
/// How long the log may take.
const LOG: Duration = Duration::from_millis(100);
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
        let done = take(steps(reset, remains));
        attempt = attempt.saturating_add(1);
        let log = move || tracing::error!(attempt, "resetting this guest: {done}");
        if bounded(LOG, log).is_none() {
            thread::sleep(LOG);
        }
        thread::sleep(RETRY);
    }
}

/// One way to take the guest down, which may hang.
struct Step {
    name: &'static str,
    bound: Duration,
    /// Says what became of it.
    work: Box<dyn FnOnce() -> String + Send>,
}

impl Step {
    fn new(
        name: &'static str,
        bound: Duration,
        work: impl FnOnce() -> String + Send + 'static,
    ) -> Step {
        let work = Box::new(work);
        Step { name, bound, work }
    }
}

/// All ways, in the order in which they are gone.
fn steps(reset: &Reset, remains: &Remains) -> Vec<Step> {
    let remains = remains.clone();
    let mut steps = vec![Step::new("killing what was left", KILL, move || {
        remains::kill(&remains);
        "killed what was left".to_owned()
    })];
    if let Some(command) = reset.command.clone() {
        let run = move || run(&command);
        steps.push(Step::new("the reboot command", COMMAND, run));
    }
    if reset.command.is_none() || reset.kernel_too {
        steps.push(Step::new("reboot(2)", REBOOT, || {
            let error = reboot(RebootCommand::Restart).err();
            error.map_or_else(String::new, |error| format!("reboot(2): {error}"))
        }));
        steps.push(Step::new("SysRq", SYSRQ, || {
            if !is_own_kernel() {
                return "SysRq is not this guest's own".to_owned();
            }
            let _ = std::fs::write("/proc/sys/kernel/sysrq", "1");
            let _ = std::fs::write("/proc/sysrq-trigger", "b");
            "SysRq was asked".to_owned()
        }));
        // systemd takes SIGRTMIN+15 for "reboot immediately".
        steps.push(Step::new("telling init", INIT, || {
            let _ = Command::new("/bin/sh").args(["-c", "kill -49 1"]).status();
            "init was told to reset".to_owned()
        }));
    }
    steps
}

/// Goes them one after the other; says what became of each.
fn take(steps: Vec<Step>) -> String {
    let all = steps.into_iter().map(|step| {
        let done = bounded(step.bound, step.work);
        let (name, ms) = (step.name, step.bound.as_millis());
        done.unwrap_or_else(|| format!("{name} has taken {ms} ms, and goes on"))
    });
    all.collect::<Vec<_>>().join("; ")
}

/// Runs the administrator's command; says what became of it. Nobody kills it: that could end what
/// it has begun.
fn run(command: &str) -> String {
    let mut shell = Command::new("/bin/sh");
    let ended = shell.args(["-c", command]).stdin(Stdio::null()).status();
    match ended {
        Ok(status) => format!("the reboot command ended: {status}"),
        Err(error) => format!("the reboot command cannot run: {error}"),
    }
}

/// Whether this is the machine's first PID namespace. A container's SysRq is that of its host.
pub fn is_own_kernel() -> bool {
    /// The kernel's fixed inode number of that namespace.
    const FIRST: &str = "pid:[4026531836]";
    std::fs::read_link("/proc/self/ns/pid").is_ok_and(|name| name.as_os_str() == FIRST)
        && !std::path::Path::new("/run/systemd/container").exists()
}

/// Does something that may hang, and waits that long for what it gives. Where no thread can be
/// made, it is done here: there is nothing better left.
fn bounded<T: Send + 'static>(
    time: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let work = Arc::new(std::sync::Mutex::new(Some(work)));
    let (done, ended) = std::sync::mpsc::channel();
    let take = {
        let work = Arc::clone(&work);
        move || {
            let work = work.lock().ok().and_then(|mut work| work.take());
            work.map(|work| work())
        }
    };
    let again = take.clone();
    let thread = thread::Builder::new().spawn(move || {
        let _ = done.send(take());
    });
    match thread {
        Ok(_) => ended.recv_timeout(time).ok().flatten(),
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
    use std::time::Instant;

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
    fn the_bound_is_that_of_all_steps() {
        let reset = Reset {
            command: Some("true".into()),
            kernel_too: true,
        };
        let steps = steps(&reset, &Remains::default());
        let sum: Duration = steps.iter().map(|step| step.bound).sum();
        assert_eq!(sum, BOUND);
    }

    #[test]
    fn a_kill_and_a_command_that_hang_hold_nothing_up() {
        let reset = Reset {
            command: Some("sleep 3".into()),
            kernel_too: true,
        };
        // Not the kernel of whoever runs this test.
        let mut steps = steps(&reset, &Remains::default());
        let after: Duration = steps.drain(2..).map(|step| step.bound).sum();
        steps[0].work = Box::new(|| {
            thread::sleep(Duration::from_secs(3));
            String::new()
        });
        let begin = Instant::now();
        steps.push(Step::new("the kernel", REBOOT, move || {
            format!("the kernel after {}", begin.elapsed().as_millis())
        }));
        let said = take(steps);
        assert!(begin.elapsed() < BOUND - after + OVERHEAD, "{said}");
        assert!(said.contains("the kernel after "), "{said}");
        let hang = format!("the reboot command has taken {} ms", COMMAND.as_millis());
        assert!(said.contains(&hang), "{said}");
    }

    /// What threads and a machine that does much else may add.
    const OVERHEAD: Duration = Duration::from_millis(500);

    #[test]
    fn work_that_hangs_is_left_behind() {
        let begin = Instant::now();
        let given = bounded(Duration::from_millis(20), || {
            thread::sleep(Duration::from_secs(3));
        });
        assert_eq!(given, None);
        assert!(begin.elapsed() < Duration::from_secs(1));
        assert_eq!(bounded(Duration::from_secs(5), || 7), Some(7));
    }
}
