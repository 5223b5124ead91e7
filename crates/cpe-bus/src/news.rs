//! That events were recorded, and that cpe has come or gone.
//!
//! Signals are quick but may be missed; the log's cursor is exact. So a signal only says that there
//! is something to read. It is taken at once, whatever its receiver does meanwhile: a connection
//! on which signals wait does not bring the answers to calls either.

use futures_util::StreamExt;
use tokio::sync::watch;
use zbus::fdo::{DBusProxy, NameOwnerChangedStream};
use zbus::proxy::{self, CacheProperties, SignalStream};
use zbus::{Connection, Proxy};

use crate::error::Result;
use crate::names::{CPE_NAME, CPE_PATH};

/// That cpe has said something by itself. What it was is read from its log.
#[derive(Debug)]
pub struct News {
    heard: watch::Receiver<Heard>,
    known: Heard,
}

/// How much was heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Heard {
    /// Events that were recorded.
    events: u64,
    /// Comings and goings of cpe.
    owners: u64,
}

/// What is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum New {
    /// Events were recorded.
    Events,
    /// cpe has come or gone.
    Owner,
    /// The connection has ended.
    End,
}

impl News {
    /// Listens on a connection.
    ///
    /// # Errors
    /// The bus does not let us.
    pub async fn listen(connection: &Connection) -> Result<News> {
        let events: Proxy<'static> = proxy::Builder::new(connection)
            .destination(CPE_NAME)
            .path(CPE_PATH)
            .interface("org.cloudpolicy.Cpe1.Events")
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        // Of cpe alone, whoever sends us something under that name.
        let recorded = events.receive_signal("Recorded").await?;
        let bus = DBusProxy::new(connection).await?;
        let owners = bus
            .receive_name_owner_changed_with_args(&[(0, CPE_NAME)])
            .await?;
        let (heard, news) = watch::channel(Heard::default());
        tokio::spawn(hear(recorded, owners, heard));
        Ok(News {
            heard: news,
            known: Heard::default(),
        })
    }

    /// What is new since the last call; may be dropped while it waits.
    pub async fn next(&mut self) -> New {
        if self.heard.changed().await.is_err() {
            return New::End;
        }
        let heard = *self.heard.borrow_and_update();
        let before = std::mem::replace(&mut self.known, heard);
        match heard.owners == before.owners {
            true => New::Events,
            false => New::Owner,
        }
    }
}

/// Takes signals at once, whatever else is being done: as long as one is not taken, no answer
/// arrives on its connection either.
async fn hear(
    mut recorded: SignalStream<'static>,
    mut owners: NameOwnerChangedStream,
    heard: watch::Sender<Heard>,
) {
    loop {
        tokio::select! {
            message = recorded.next() => match message {
                Some(_) => heard.send_modify(|heard| heard.events += 1),
                None => return,
            },
            change = owners.next() => match change {
                Some(_) => heard.send_modify(|heard| heard.owners += 1),
                None => return,
            },
            () = heard.closed() => return,
        }
    }
}
