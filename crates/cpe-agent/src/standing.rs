//! What keeps this program going when the guest is short of memory or of processors.
//!
//! Each of it may be forbidden, as in a container. Then it is said once, and the program goes on as
//! any other. Services must not inherit it: it would take from them what they need most.

use std::fs;
use std::sync::OnceLock;

use rustix::mm::{MlockAllFlags, mlockall};
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// The agent's OOM score: as that of the host's daemons.
const SPARED: i32 = -500;
/// How deep the descendants of an operation are looked for.
const DEPTH: u32 = 8;

/// What others have, from the moment on that this process has another one.
static USUAL: OnceLock<i32> = OnceLock::new();

/// Locks the program into memory, so that it needs no disk to go on. Only what is mapped by now: to
/// lock what comes later would make its allocations fail in a container whose limit is small.
pub fn stay_in_memory() {
    if let Err(error) = mlockall(MlockAllFlags::CURRENT) {
        tracing::info!(%error, "this program is not locked into memory");
    }
}

/// Has the kernel shoot others before this process when memory is short.
pub fn be_spared() {
    let own = "/proc/self/oom_score_adj";
    let usual = fs::read_to_string(own)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let Some(usual) = usual.filter(|usual| *usual > SPARED) else {
        return;
    };
    match fs::write(own, SPARED.to_string()) {
        Ok(()) => drop(USUAL.set(usual)),
        Err(error) => {
            tracing::info!(%error, "this agent is shot like any other when memory is short")
        }
    }
}

/// Gives a process that was just started, and what it has started, the score of others.
pub fn not_spared(pid: u32) {
    if let Some(usual) = USUAL.get() {
        set_score(pid, *usual, DEPTH);
    }
}

fn set_score(pid: u32, score: i32, depth: u32) {
    // It may have ended.
    let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), score.to_string());
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    if depth > 0 {
        for child in children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
        {
            set_score(child, score, depth - 1);
        }
    }
}

/// Has this thread run before all that are not in a hurry: services that use every processor do not
/// hold it up. For threads that start no services, and sleep until there is something to do.
pub fn come_first() {
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    if let Err(error) =
        set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy)
    {
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        tracing::info!(?error, thread, "this thread has no priority over others");
    }
}
