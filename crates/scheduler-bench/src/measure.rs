//! Time, processor time and memory of a child process, from `/proc`.

use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The cost of a process.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// From start to end.
    pub wall: Duration,
    /// Highest resident memory seen, in KiB. It is sampled: memory that is held only for
    /// milliseconds may be missed.
    pub memory_kib: u64,
    /// It ended by itself with status 0.
    pub succeeded: bool,
}

/// Runs a command to its end, or kills it after `limit`.
///
/// # Errors
///
/// The command cannot be started, or the system lost it.
pub fn run(command: &mut Command, limit: Duration) -> io::Result<Cost> {
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let status_file = format!("/proc/{}/status", child.id());
    let mut memory_kib = 0;
    // Short runs are sampled finely, long ones coarsely.
    let mut pause = Duration::from_micros(200);
    loop {
        memory_kib = memory_kib.max(peak_memory(&status_file));
        if let Some(status) = child.try_wait()? {
            return Ok(Cost {
                wall: started.elapsed(),
                memory_kib,
                succeeded: status.success(),
            });
        }
        if started.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(Cost {
                wall: started.elapsed(),
                memory_kib,
                succeeded: false,
            });
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(2));
    }
}

fn peak_memory(status_file: &str) -> u64 {
    let status = std::fs::read_to_string(status_file).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = peak.and_then(|peak| peak.split_whitespace().next());
    number.and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

/// Processor time of this thread so far, in the steps of the kernel's scheduler; without
/// `/proc/thread-self/schedstat` the time of day.
pub fn own_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split_whitespace().next().and_then(|n| n.parse().ok());
    nanoseconds.map_or_else(
        || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
        },
        Duration::from_nanos,
    )
}

/// Processor time of all children that have ended so far.
pub fn children_cpu() -> Duration {
    // Ticks per second of the interface, fixed by the kernel for all architectures that this runs
    // on.
    const TICKS: u64 = 100;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The program's name, in parentheses, may contain blanks: count fields behind it.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: u64 = fields
        .split_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 1000 / TICKS)
}
