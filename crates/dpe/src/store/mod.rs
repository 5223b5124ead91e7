//! The controller's durable facts: rows of key and value.
//!
//! ```text
//! saving ──▶ Place ─opens─▶ FactStore ◀── Local: SQLite of this host
//!                                     ◀── Shared: the same in front, and a Remote behind it
//!                                                 Remote ◀── Socket: the cpe of this host
//! ```
//!
//! A disk that is full, read-only or failing must not keep a DPE from its agents. So a start reads
//! what was saved in any way that it can be read: [`Opened`] has that, and a store only if the disk
//! takes changes too.

mod classes;
mod local;
mod packed;
mod shared;
mod socket;

use std::collections::BTreeMap;
use std::fmt;

use controller::{Change, Durable};

pub use self::classes::{Durability, durability};
pub(crate) use self::local::{Local, ends_process, is_full};
pub(crate) use self::shared::is_away;
pub use self::shared::{Known, Refusal, Remote, SharedPlace};
pub(crate) use self::socket::Socket;

/// Where facts are kept; open.
pub trait FactStore: fmt::Debug + Send {
    /// Makes changes durable, all or none. What follows from them may be done then.
    ///
    /// # Errors
    /// If they cannot be made durable; nothing may follow from them then.
    fn write(&mut self, changes: &[Change]) -> anyhow::Result<()>;

    /// Puts all rows in place of those that are there.
    ///
    /// # Errors
    /// As [`FactStore::write`].
    fn replace(&mut self, rows: &BTreeMap<String, String>) -> anyhow::Result<()>;

    /// Sees to it that nothing is left to be done later: this process ends.
    ///
    /// # Errors
    /// What is left is lost to other hosts, if this host's disk is.
    fn finish(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Where facts are kept, whether it can be used now or not.
pub trait Place: fmt::Debug + Send + Sync {
    /// Opens it for changes, and reads it.
    ///
    /// # Errors
    /// If it cannot be used now, or belongs to somebody else.
    fn open(&self) -> anyhow::Result<(Box<dyn FactStore>, Durable)>;

    /// Reads it in any way, where it cannot be opened.
    ///
    /// # Errors
    /// If it cannot be read either.
    fn read(&self) -> anyhow::Result<Durable>;

    /// That it can be read now, and could not be when this process started.
    fn read_late(&self) -> anyhow::Error;

    /// What a write waits for, for people.
    fn waits_for(&self) -> &'static str {
        "the disk"
    }

    /// Whether guests may be connected to before it was read.
    fn connects_unread(&self) -> bool {
        true
    }
}

/// The saved state as a start finds it.
#[derive(Debug)]
pub(crate) struct Opened {
    /// What was saved, as far as it can be read.
    pub durable: Durable,
    /// Whether there can be no more than that.
    pub complete: bool,
    /// Where changes are saved, or why they cannot be.
    pub store: anyhow::Result<Box<dyn FactStore>>,
}

/// Opens the place where facts are kept. What is damaged is kept aside, and the state begins empty:
/// the CPE gives the document again, and the agents report what runs.
///
/// # Errors
/// If another DPE uses it, or a newer version wrote it. A disk that fails is not an error here: see
/// [`Opened::store`].
pub(crate) fn open(place: &dyn Place) -> anyhow::Result<Opened> {
    let failure = match place.open() {
        Ok((store, durable)) => {
            return Ok(Opened {
                durable,
                complete: true,
                store: Ok(store),
            });
        }
        Err(error) if ends_process(&error) => return Err(error),
        Err(error) => error,
    };
    let read = place.read();
    if let Err(error) = &read {
        tracing::error!("the saved state cannot be read now: {error:#}");
    }
    Ok(Opened {
        complete: read.is_ok(),
        durable: read.unwrap_or_default(),
        store: Err(failure),
    })
}
