//! A fake DPE: it writes down that it may act, as often as a DPE sends.

use std::fs::File;
use std::io::Write as _;
use std::thread::sleep;
use std::time::Duration;

use cpe_permit::{Guard, May, grant_in, grant_of, now_us, permit_in};
use rustix::fs::{FlockOperation, flock};

use crate::config::{Config, Result};

/// How often it looks.
const LOOK: Duration = Duration::from_millis(25);

pub(crate) fn run(config: &Config, name: &str) -> Result<()> {
    let mut lock = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(config.lock(name))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    lock.set_len(0)?;
    write!(lock, "{}", std::process::id())?;
    let grant = grant_of(&grant_in(&config.folder(), name))?;
    let grant = grant.ok_or("there is no grant")?;
    let guard = Guard::new(&permit_in(&config.folder()), grant);
    let mut marks = config.marks()?;
    marks.mark("runs", name, grant.revision)?;
    while config.test_runs() {
        // Whoever may send after this time might have sent at it.
        let at_us = now_us();
        match guard.may() {
            May::Send(_) => marks.mark_at(at_us, "acts", name, grant.revision)?,
            May::Wait => {}
            May::Exit => break,
        }
        sleep(LOOK);
    }
    marks.mark("exits", name, grant.revision)
}
