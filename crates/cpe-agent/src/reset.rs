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
//! A guest that is short of memory may make no thread. What found none is done afterwards, in the
//! thread that is there, and in another order, because a step that hangs is then the last one.
//! SysRq waits for nothing at all, reboot(2) only for drivers. Killing reads the memory of other
//! processes, and a program is read from the disk when it is begun: both may take for ever where a
//! disk hangs. A program that has begun is not waited for longer than its bound, as ever.
//!
//! An agent that is run by hand with a command stops at step 2: it would take down the machine of
//! whoever tests it.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

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
/// How often to look whether a program has ended.
const POLL: Duration = Duration::from_millis(10);
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
        let done = take(steps(reset, remains), spawn);
        attempt = attempt.saturating_add(1);
        let log = move || tracing::error!(attempt, "resetting this guest: {done}");
        // Without a thread nothing is said: the log may hang, and another attempt is worth more.
        if !matches!(bounded(spawn, LOG, log), Ok(Some(()))) {
            thread::sleep(LOG);
        }
        thread::sleep(RETRY);
    }
}

/// One way to take the guest down, which may hang.
struct Step {
    name: &'static str,
    bound: Duration,
    /// Its place among those that found no thread: what may wait for less comes earlier.
    alone: u8,
    /// Says what became of it.
    work: Box<dyn FnOnce() -> String + Send>,
}

/// Of [`Step::alone`]: SysRq, which waits for nothing.
const AT_ONCE: u8 = 0;
/// Of [`Step::alone`]: reboot(2), which may wait for drivers.
const BY_DRIVERS: u8 = 1;
/// Of [`Step::alone`]: what may wait for a disk.
const BY_DISKS: u8 = 2;

impl Step {
    fn new(
        name: &'static str,
        bound: Duration,
        work: impl FnOnce() -> String + Send + 'static,
    ) -> Step {
        Step {
            name,
            bound,
            alone: BY_DISKS,
            work: Box::new(work),
        }
    }

    fn alone(self, alone: u8) -> Step {
        Step { alone, ..self }
    }
}

/// All steps, in their order.
fn steps(reset: &Reset, remains: &Remains) -> Vec<Step> {
    let remains = remains.clone();
    let mut steps = vec![Step::new("killing what was left", KILL, move || {
        remains::kill(&remains);
        "killed what was left".to_owned()
    })];
    if let Some(command) = reset.command.clone() {
        let run = move || run("the reboot command", &command, COMMAND);
        steps.push(Step::new("the reboot command", COMMAND, run));
    }
    if reset.command.is_none() || reset.kernel_too {
        let reboot = || {
            let error = reboot(RebootCommand::Restart).err();
            error.map_or_else(String::new, |error| format!("reboot(2): {error}"))
        };
        steps.push(Step::new("reboot(2)", REBOOT, reboot).alone(BY_DRIVERS));
        let sysrq = || {
            if !is_own_kernel() {
                return "SysRq is not this guest's own".to_owned();
            }
            let _ = std::fs::write("/proc/sys/kernel/sysrq", "1");
            let _ = std::fs::write("/proc/sysrq-trigger", "b");
            "SysRq was asked".to_owned()
        };
        steps.push(Step::new("SysRq", SYSRQ, sysrq).alone(AT_ONCE));
        // systemd takes SIGRTMIN+15 for "reboot immediately".
        let tell = || run("telling init", "kill -49 1", INIT);
        steps.push(Step::new("telling init", INIT, tell));
    }
    steps
}

/// Takes them one after the other, and those that found no thread at last. Says what became of
/// each.
fn take(steps: Vec<Step>, spawn: Spawn) -> String {
    let mut said = Vec::new();
    let mut alone = Vec::new();
    for mut step in steps {
        match bounded(spawn, step.bound, step.work) {
            Ok(done) => said.push(done.unwrap_or_else(|| goes_on(step.name, step.bound))),
            Err(work) => {
                step.work = work;
                alone.push(step);
            }
        }
    }
    alone.sort_by_key(|step| step.alone);
    said.extend(alone.into_iter().map(|step| (step.work)()));
    said.join("; ")
}

fn goes_on(name: &str, bound: Duration) -> String {
    format!("{name} has taken {} ms, and goes on", bound.as_millis())
}

/// Has a shell run a command, and waits that long for it; says what became of it. Nobody kills it:
/// that could end what it has begun.
fn run(name: &str, command: &str, bound: Duration) -> String {
    let begin = Instant::now();
    let mut shell = Command::new("/bin/sh");
    let spawned = shell.args(["-c", command]).stdin(Stdio::null()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return format!("{name} cannot run: {error}"),
    };
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return format!("{name} ended: {status}"),
            Ok(None) if begin.elapsed() < bound => thread::sleep(POLL),
            Ok(None) => return goes_on(name, bound),
            Err(error) => return format!("{name} cannot be waited for: {error}"),
        }
    }
}

/// Whether this is the machine's first PID namespace. A container's SysRq is that of its host.
pub fn is_own_kernel() -> bool {
    /// The kernel's fixed inode number of that namespace.
    const FIRST: &str = "pid:[4026531836]";
    std::fs::read_link("/proc/self/ns/pid").is_ok_and(|name| name.as_os_str() == FIRST)
        && !std::path::Path::new("/run/systemd/container").exists()
}

/// Has another thread do something; says whether one could be made.
type Spawn = fn(Box<dyn FnOnce() + Send>) -> bool;

fn spawn(work: Box<dyn FnOnce() + Send>) -> bool {
    thread::Builder::new().spawn(work).is_ok()
}

/// Does something that may hang in another thread, and waits that long for what it gives.
///
/// # Errors
/// The work, if no thread could be made.
fn bounded<T, W>(spawn: Spawn, time: Duration, work: W) -> Result<Option<T>, W>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    let kept = Arc::new(Mutex::new(Some(work)));
    let (done, ended) = std::sync::mpsc::channel();
    let given = Arc::clone(&kept);
    let began = spawn(Box::new(move || {
        let work = given.lock().ok().and_then(|mut work| work.take());
        if let Some(work) = work {
            let _ = done.send(work());
        }
    }));
    if !began && let Some(work) = kept.lock().ok().and_then(|mut work| work.take()) {
        return Err(work);
    }
    Ok(ended.recv_timeout(time).ok())
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
    remains: Mutex<Remains>,
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
        let said = take(steps, spawn);
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
        let hangs = || thread::sleep(Duration::from_secs(3));
        let given = bounded(spawn, Duration::from_millis(20), hangs);
        assert!(matches!(given, Ok(None)));
        assert!(begin.elapsed() < Duration::from_secs(1));
        let given = bounded(spawn, Duration::from_secs(5), || 7);
        assert!(matches!(given, Ok(Some(7))));
    }

    /// Threads in a guest that is short of memory.
    fn no_thread(_: Box<dyn FnOnce() + Send>) -> bool {
        false
    }

    /// All steps, where none but the command does more than to note its name.
    fn noted(command: &str) -> (Vec<Step>, Arc<Mutex<Vec<&'static str>>>) {
        let reset = Reset {
            command: Some(command.into()),
            kernel_too: true,
        };
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut steps = steps(&reset, &Remains::default());
        for step in &mut steps {
            let (name, order) = (step.name, Arc::clone(&order));
            let note = move || order.lock().unwrap().push(name);
            let nothing: Box<dyn FnOnce() -> String + Send> = Box::new(String::new);
            let work = match name {
                "the reboot command" => std::mem::replace(&mut step.work, nothing),
                _ => nothing,
            };
            step.work = Box::new(move || {
                note();
                work()
            });
        }
        (steps, order)
    }

    #[test]
    fn without_threads_the_kernel_comes_before_what_may_hang_for_ever() {
        let (mut steps, order) = noted("true");
        // As it does on a disk that hangs.
        steps[0].work = Box::new(|| {
            thread::sleep(Duration::from_secs(1000));
            String::new()
        });
        thread::spawn(move || take(steps, no_thread));
        let begin = Instant::now();
        while order.lock().unwrap().len() < 2 && begin.elapsed() < BOUND + OVERHEAD {
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(*order.lock().unwrap(), ["SysRq", "reboot(2)"]);
    }

    #[test]
    fn without_threads_a_command_that_hangs_is_left_behind() {
        let (steps, order) = noted("sleep 5");
        let begin = Instant::now();
        let said = take(steps, no_thread);
        assert!(begin.elapsed() < BOUND + OVERHEAD, "{said}");
        assert!(said.contains(&goes_on("the reboot command", COMMAND)));
        let all = [
            "SysRq",
            "reboot(2)",
            "killing what was left",
            "the reboot command",
            "telling init",
        ];
        assert_eq!(*order.lock().unwrap(), all);
    }

    #[test]
    fn a_step_that_found_no_thread_waits_for_those_that_did() {
        /// The first one is made, and no other.
        fn one_thread(work: Box<dyn FnOnce() + Send>) -> bool {
            static MADE: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
            !MADE.swap(true, Ordering::SeqCst) && spawn(work)
        }
        let (steps, order) = noted("true");
        take(steps, one_thread);
        let first = order.lock().unwrap()[..3].to_vec();
        assert_eq!(first, ["killing what was left", "SysRq", "reboot(2)"]);
    }
}
