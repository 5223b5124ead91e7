//! `org.cloudpolicy.Dpe1.NAME` on the bus: requests in, status out. Comes back by itself when the
//! bus restarts.

mod debug;
mod object;
mod orders;
mod requests;
mod room;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use cpe_bus::BusSelection;
use cpe_bus::names::{CPE_NAME, DPE_PATH, dpe_name};
use cpe_daemon::Pauses;
use cpe_status::DpeState;
use tokio::sync::watch;
use zbus::Connection;
use zbus::fdo::{RequestNameFlags, RequestNameReply};
use zbus::names::BusName;

pub(crate) use self::debug::unknown;
use self::object::DpeObject;
pub(crate) use self::requests::{BusRequest, Requests, refused};
use crate::catalogue::Catalogue;
use crate::kept_inputs::Shelf;

/// First pause before the bus is tried again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause: a bus that comes back has all DPEs again after that time.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A bus that has not given the name by then hangs; it is tried again.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// What everyone may see at any time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Public {
    pub state: DpeState,
    pub summary: String,
    pub generation: u64,
    pub epoch: u64,
}

/// Another DPE has the name on the bus.
#[derive(Debug)]
struct Taken(String);

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Taken {}

/// Serves until the shell ends: connects, takes the name, and does so again whenever the bus goes
/// away. A bus that does not answer is waited for, also at the start: the agents need this DPE, and
/// it does not need the bus for them.
///
/// # Errors
/// If another DPE has the name, and this one was not started by systemd. Nothing else ends a DPE
/// from here.
pub(crate) async fn serve(
    deployment: String,
    bus: BusSelection,
    requests: Requests,
    (catalogue, shelf): (Catalogue, Shelf),
    mut public: watch::Receiver<Public>,
    connection: Arc<watch::Sender<Option<Connection>>>,
) -> anyhow::Result<()> {
    let mut pauses = Pauses::between(SHORTEST_PAUSE, LONGEST_PAUSE);
    let mut said: Option<String> = None;
    loop {
        let opening = open(&deployment, &bus, &requests, (&catalogue, &shelf), &public);
        let opened = tokio::time::timeout(OPEN_TIMEOUT, opening).await;
        match opened.unwrap_or_else(|_| Err(anyhow!("the {bus} bus does not answer"))) {
            Ok(opened) => {
                connection.send_replace(Some(opened.clone()));
                said = None;
                pauses.reset();
                announce_until_closed(&opened, &mut public).await;
                connection.send_replace(None);
                tracing::warn!("the connection to the {bus} bus is lost; connecting again");
            }
            // A second one that a person has started would take the guests away from the first.
            // systemd starts only one: whoever has its name then is taken for no DPE.
            Err(error) if error.is::<Taken>() && !cpe_daemon::is_service() => return Err(error),
            Err(error) => {
                let text = format!("{error:#}");
                // A wrong address or a missing policy file is for a person to see.
                if said.as_ref() != Some(&text) {
                    tracing::error!("{text}; trying again, the agents are looked after meanwhile");
                }
                said = Some(text);
            }
        }
        tokio::time::sleep(pauses.next_pause()).await;
    }
}

async fn open(
    deployment: &str,
    bus: &BusSelection,
    requests: &Requests,
    (catalogue, shelf): (&Catalogue, &Shelf),
    public: &watch::Receiver<Public>,
) -> anyhow::Result<Connection> {
    let object = DpeObject::new(
        requests.clone(),
        catalogue.clone(),
        shelf.clone(),
        public.clone(),
    );
    let connection = bus
        .builder()
        .serve_at(DPE_PATH, object)
        .build()
        .await
        .with_context(|| {
            format!("cannot connect to the {bus} bus; is it running, and may this user use it?")
        })?;
    let name = dpe_name(deployment);
    match connection
        .request_name_with_flags(name.as_str(), RequestNameFlags::DO_NOT_QUEUE)
        .await
    {
        Ok(RequestNameReply::PrimaryOwner | RequestNameReply::AlreadyOwner) => Ok(connection),
        Ok(_) | Err(zbus::Error::NameTaken) => Err(Taken(format!(
            "another process owns {name} on the {bus} bus; stop it first"
        ))
        .into()),
        Err(error) => Err(error).with_context(|| {
            format!("the {bus} bus does not let this user own {name}; is org.cloudpolicy.conf installed?")
        }),
    }
}

async fn announce_until_closed(connection: &Connection, public: &mut watch::Receiver<Public>) {
    let mut announced = Public::default();
    loop {
        let now = public.borrow_and_update().clone();
        if let Err(error) = announce(connection, &announced, &now).await {
            tracing::debug!("the state could not be announced: {error}");
        }
        announced = now;
        tokio::select! {
            () = connection.closed() => return,
            changed = public.changed() => if changed.is_err() { return },
        }
    }
}

/// Tells the CPE and nobody else: who may know of the deployment, only the CPE knows.
async fn announce(connection: &Connection, announced: &Public, now: &Public) -> zbus::Result<()> {
    let object = connection
        .object_server()
        .interface::<_, DpeObject>(DPE_PATH)
        .await?;
    let emitter = object.signal_emitter().to_owned();
    let emitter = &emitter.set_destination(BusName::try_from(CPE_NAME)?);
    if announced.state != now.state {
        object.get().await.state_changed(emitter).await?;
    }
    if announced.generation != now.generation {
        object.get().await.generation_changed(emitter).await?;
    }
    if (&announced.state, &announced.summary) != (&now.state, &now.summary) {
        DpeObject::status_changed(emitter, now.state.as_str(), &now.summary).await?;
    }
    Ok(())
}
