//! Whether a DPE can end another: on the kernel of this machine.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::process::{Child, Command};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

fn sleeper() -> Child {
    Command::new("sleep").arg("60").spawn().unwrap()
}

fn signal(child: &Child) -> Result<(), Errno> {
    test_kill_process(Pid::from_raw(child.id().try_into().unwrap()).unwrap())
}

/// Landlock keeps signals apart from Linux 6.12 on.
fn keeps_signals_in() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split('.').map(|part| part.parse::<u32>().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap()) >= (6, 12)
}

#[test]
fn no_signal_leaves_a_dpe_where_the_kernel_can_keep_it_in() {
    let mut other = sleeper();
    assert_eq!(signal(&other), Ok(()));
    // What is restricted is the thread that asks for it, and what it starts from then on.
    let (to_own, to_other) = std::thread::scope(|scope| {
        let restricted = scope.spawn(|| {
            dpe::keep_signals_in();
            let mut own = sleeper();
            let signals = (signal(&own), signal(&other));
            own.kill().unwrap();
            own.wait().unwrap();
            signals
        });
        restricted.join().unwrap()
    });
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(to_own, Ok(()));
    let expected = match keeps_signals_in() {
        true => Err(Errno::PERM),
        false => Ok(()),
    };
    assert_eq!(to_other, expected);
}
