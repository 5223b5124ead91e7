//! The only clock that counts: CLOCK_BOOTTIME, which goes on while a host sleeps, and which nobody
//! sets.

use std::io::{Error, ErrorKind, Result};

use rustix::time::{ClockId, clock_gettime};

use crate::error;

/// µs of CLOCK_BOOTTIME.
pub fn now_us() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.cast_unsigned() * 1_000_000 + now.tv_nsec.cast_unsigned() / 1_000
}

/// A number of this boot of this machine, which no other boot has.
///
/// # Errors
/// If the kernel does not say.
pub fn boot() -> Result<u64> {
    let path = "/proc/sys/kernel/random/boot_id";
    let read = || {
        let text = std::fs::read_to_string(path)?;
        let id = uuid::Uuid::parse_str(text.trim());
        id.map_err(|error| Error::new(ErrorKind::InvalidData, error))
    };
    let id = read().map_err(|error| error::of(path, &error))?;
    let (high, low) = id.as_u64_pair();
    Ok(high ^ low)
}
