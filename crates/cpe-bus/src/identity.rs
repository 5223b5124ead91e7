//! Who is at the other end of a network: certificates, whom they name, and when they are refused.
//!
//! A folder holds what a process has to show and whom it believes:
//!
//! | file | what it is |
//! | --- | --- |
//! | `identity.pem` | the certificate, what leads from it to the CA, and its private key |
//! | `ca.pem` | the certificates of the CAs that are believed |
//! | `revoked.pem` | their lists of revoked certificates, if there are any |
//!
//! A certificate names one agent or the DPE of one deployment, by a URI. TLS checks the chain, the
//! times, the purpose, the revocation and, here, that URI, before the handshake is over and D-Bus
//! begins. Sessions are never resumed: that would pass all of this by.
//!
//! The files are looked at before each handshake and every few seconds, and read when they have
//! changed; what cannot be read leaves in force what was. A connection whose peer is revoked by new
//! files, or whose CA is believed no longer, ends.

mod files;
mod names;
mod replace;
mod verify;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::{ClientConfig, ServerConfig};

use self::files::Stamp;
pub use self::files::{CA, IDENTITY, REVOKED};
pub use self::names::Name;
pub use self::replace::put;
pub(crate) use self::verify::explain;
pub use self::verify::prove;
use self::verify::{Reverify, Verdict};
use crate::{Error, Result};

/// How often the files are looked at while there are connections: a revocation is obeyed that late
/// at most.
pub const LOOK: Duration = Duration::from_secs(3);
/// How long a handshake waits for files that are being read. After that, what was read before
/// counts: a disk may not answer.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// On which side of connections a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// In a guest: it listens.
    Agent,
    /// On the host: it connects, for this deployment.
    Dpe {
        /// Its deployment.
        deployment: String,
    },
}

/// What a process has to show and whom it believes. Nothing is read before it is needed.
pub struct Credentials {
    folder: PathBuf,
    side: Side,
    trust: watch::Sender<Option<Arc<Trust>>>,
    /// The files as they were last read, well or not, and why not; held while they are read.
    read: Arc<tokio::sync::Mutex<Option<Read>>>,
    /// Why they could not be read, if they could not.
    fault: Mutex<Option<String>>,
    /// Somebody looks at them again and again.
    watched: AtomicBool,
}

#[derive(Debug)]
struct Read {
    stamp: Stamp,
}

impl fmt::Debug for Credentials {
    /// Without anything that is in the files.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.folder.display())
    }
}

/// What was read from the files at one time.
pub(crate) struct Trust {
    /// Whom the own certificate names.
    pub(crate) own: Name,
    pub(crate) ends: Ends,
    reverify: Reverify,
    /// It has a list of revoked certificates.
    has_list: bool,
}

/// The configuration of the own side.
pub(crate) enum Ends {
    Agent(Arc<ServerConfig>),
    Dpe(Arc<ClientConfig>),
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trust({})", self.own)
    }
}

impl Credentials {
    /// Those in a folder.
    pub fn new(folder: &Path, side: Side) -> Arc<Credentials> {
        Arc::new(Credentials {
            folder: folder.to_owned(),
            side,
            trust: watch::channel(None).0,
            read: Arc::default(),
            fault: Mutex::default(),
            watched: AtomicBool::new(false),
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whom the own certificate names, as far as it could be read.
    ///
    /// # Errors
    /// [`Error::NotReady`] that names the file and what is wrong with it, if it never could.
    pub async fn name(self: &Arc<Self>) -> Result<Name> {
        Ok(self.trust().await?.own.clone())
    }

    /// What the files say now, or said when they could last be read.
    ///
    /// # Errors
    /// [`Error::NotReady`] that names the file and what is wrong with it, if they never could.
    pub(crate) async fn trust(self: &Arc<Self>) -> Result<Arc<Trust>> {
        self.refresh().await;
        let trust = self.trust.borrow().clone();
        match trust {
            Some(trust) => {
                if !self.watched.swap(true, Ordering::Relaxed) {
                    self.keep_looking();
                }
                Ok(trust)
            }
            None => {
                let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
                let folder = self.folder.display();
                Err(Error::NotReady(fault.clone().unwrap_or_else(|| {
                    format!("the certificates in {folder} are not read yet")
                })))
            }
        }
    }

    /// Reads the files if they have changed. One reader at a time, on a thread that may wait for a
    /// disk: who comes meanwhile takes what was read before.
    async fn refresh(self: &Arc<Self>) {
        let Ok(mut read) = Arc::clone(&self.read).try_lock_owned() else {
            // Only the very first has nothing else.
            if self.trust.borrow().is_none() {
                let _ = tokio::time::timeout(READ_TIMEOUT, self.read.lock()).await;
            }
            return;
        };
        let this = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let stamp = Stamp::of(&this.folder);
            if read.as_ref().is_some_and(|read| read.stamp == stamp) {
                return;
            }
            let had_list = this.trust.borrow().as_ref().is_some_and(|it| it.has_list);
            let read_now = Trust::read(&this.folder, &this.side);
            this.take(read_now.and_then(|trust| trust.keeps_list(had_list, &this.folder)));
            // Files that change while they are read are read again.
            let unchanged = Stamp::of(&this.folder) == stamp;
            *read = unchanged.then_some(Read { stamp });
        });
        let _ = tokio::time::timeout(READ_TIMEOUT, reading).await;
    }

    /// Puts what was read into force; says once what could not be.
    fn take(&self, read: std::result::Result<Trust, String>) {
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(trust) => {
                tracing::info!("the certificates of {} are in force", trust.own);
                *fault = None;
                self.trust.send_replace(Some(Arc::new(trust)));
            }
            Err(reason) => {
                if fault.as_ref() != Some(&reason) {
                    let until = match self.trust.borrow().is_some() {
                        true => "; what was read before stays in force",
                        false => "",
                    };
                    tracing::error!("{reason}{until}");
                }
                *fault = Some(reason);
            }
        }
    }

    /// Looks at the files again and again, as long as somebody has these credentials.
    fn keep_looking(self: &Arc<Self>) {
        let weak = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let Some(this) = weak.upgrade() else { return };
                this.refresh().await;
            }
        });
    }

    /// Holds a connection to the certificate that its peer has shown.
    pub(crate) fn hold(self: &Arc<Self>, chain: &[CertificateDer<'_>]) -> Held {
        let mut changes = self.trust.subscribe();
        // The files may have changed since the handshake began: it is checked at once.
        changes.mark_changed();
        Held {
            chain: chain.iter().map(|it| it.clone().into_owned()).collect(),
            since: UnixTime::now(),
            changes,
            _credentials: Arc::clone(self),
        }
    }
}

impl Trust {
    fn read(folder: &Path, side: &Side) -> std::result::Result<Trust, String> {
        Trust::of(files::Files::read(folder)?, side)
    }

    fn of(files: files::Files, side: &Side) -> std::result::Result<Trust, String> {
        let own = Name::of_chain(&files.chain)
            .map_err(|reason| format!("{}: {reason}", files.identity.display()))?;
        let is_ours = match (side, &own) {
            (Side::Agent, Name::Agent { .. }) => true,
            (Side::Dpe { deployment }, Name::Dpe { deployment: named }) => deployment == named,
            _ => false,
        };
        if !is_ours {
            let wanted = match side {
                Side::Agent => "of an agent".to_owned(),
                Side::Dpe { deployment } => format!("of the DPE of {deployment}"),
            };
            return Err(format!(
                "{} is the certificate of {own}; one {wanted} is needed",
                files.identity.display()
            ));
        }
        let has_list = !files.revoked.is_empty();
        let (ends, reverify) = verify::configure(&own, files)?;
        Ok(Trust {
            own,
            ends,
            reverify,
            has_list,
        })
    }

    /// Whoever was revoked is not let in again because a file is gone.
    fn keeps_list(self, had_list: bool, folder: &Path) -> std::result::Result<Trust, String> {
        if had_list && !self.has_list {
            let path = folder.join(REVOKED);
            return Err(format!(
                "{} is gone: what it said stays in force until there is another one",
                path.display()
            ));
        }
        Ok(self)
    }
}

/// The certificate that the peer of a connection has shown.
pub(crate) struct Held {
    chain: Vec<CertificateDer<'static>>,
    /// When it was accepted: a certificate that expires later ends no connection.
    since: UnixTime,
    changes: watch::Receiver<Option<Arc<Trust>>>,
    /// Whose files are looked at as long as there is the connection.
    _credentials: Arc<Credentials>,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

impl Held {
    /// Waits until the certificate is refused by new files; returns why. May be dropped and called
    /// again.
    pub(crate) async fn refused(&mut self) -> String {
        loop {
            if self.changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            let trust = self.changes.borrow_and_update().clone();
            let Some(trust) = trust else { continue };
            match trust.reverify.check(&self.chain, self.since) {
                Verdict::Good => {}
                Verdict::Refused(reason) => return reason,
                Verdict::Unknown(reason) => {
                    tracing::warn!("a running connection cannot be checked again: {reason}");
                }
            }
        }
    }
}
