//! The client of the DPEs: the only place of this program that talks to one.

use std::any::Any;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use cpe_bus::names::{DPE_INTERFACE, DPE_PATH, deployment_of_dpe_name, dpe_name};
use cpe_bus::proxies::DpeProxy;
use cpe_status::DpeState;
use tokio::sync::Semaphore;
use zbus::fdo::{self, DBusProxy};
use zbus::names::{BusName, OwnedUniqueName};
use zbus::proxy::CacheProperties;
use zbus::{Connection, OwnedVariant};

use crate::sync::{lock, owned_turn};
use crate::turns::{Bounds, Turns};

/// Calls of administrators to DPEs. A bus allows a connection 128 pending replies; half of them are
/// left for systemd and for the bus itself.
const ORDERS: Bounds = Bounds {
    all: 20,
    one: 4,
    waiting: 40,
};
/// Calls of the daemon itself. People cannot keep them waiting.
const UPKEEP: Bounds = Bounds {
    all: 20,
    one: 2,
    waiting: 16,
};
/// The same of those who only look, so that they never keep an administrator waiting.
const READS: usize = 16;
/// Questions that a DPE asks its guests, and that may take half a minute.
const QUESTIONS: Bounds = Bounds {
    all: 8,
    one: 2,
    waiting: 16,
};

/// Why a DPE could not be asked, for people.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Bus(#[from] fdo::Error),
    #[error("its DPE does not answer: {0}")]
    Silent(zbus::Error),
    #[error(transparent)]
    Reply(#[from] zbus::Error),
    #[error("no DPE is on the bus")]
    Absent,
    #[error("too many calls wait for it already; wait for replies")]
    Crowded,
    #[error(
        "its bus name belongs to process {found}, but the main process of its unit is {wanted}; it is given nothing"
    )]
    Impostor { found: u32, wanted: u32 },
    #[error("its DPE has no property {0}")]
    NoProperty(&'static str),
    #[error("{name} of its DPE: {error}")]
    Property {
        name: &'static str,
        error: zbus::Error,
    },
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// The DPEs that one connection to the bus reaches.
pub(crate) struct Dpes {
    connection: Connection,
    bus: DBusProxy<'static>,
    orders: Turns,
    upkeep: Turns,
    reads: Arc<Semaphore>,
    questions: Turns,
    /// By unique name: the deployment that it serves, and its process. Only names whose process was
    /// found to be the unit's.
    owners: Mutex<HashMap<String, (String, u32)>>,
}

/// What a DPE says about itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Report {
    pub state: DpeState,
    /// The generation of its document; 0 if it has none.
    pub generation: u64,
}

impl Dpes {
    pub(crate) fn new(connection: &Connection, bus: &DBusProxy<'static>) -> Dpes {
        Dpes {
            connection: connection.clone(),
            bus: bus.clone(),
            orders: Turns::new(ORDERS),
            upkeep: Turns::new(UPKEEP),
            reads: Arc::new(Semaphore::new(READS)),
            questions: Turns::new(QUESTIONS),
            owners: Mutex::default(),
        }
    }

    /// A client of the deployment's DPE, for one call. Waits for its turn. `pid` is the main
    /// process of the DPE's unit: nobody else is spoken to under the DPE's name, since all DPEs are
    /// of one user, which may own any of the names, and documents hold passwords.
    pub(crate) async fn client(&self, deployment: &str, pid: u32) -> Result<DpeCall> {
        let turn = self.orders.turn(deployment).await.ok_or(Error::Crowded)?;
        self.call(deployment, pid, turn).await
    }

    /// [`Dpes::client`], for what the daemon does by itself.
    pub(crate) async fn upkeep(&self, deployment: &str, pid: u32) -> Result<DpeCall> {
        let turn = self.upkeep.turn(deployment).await.ok_or(Error::Crowded)?;
        self.call(deployment, pid, turn).await
    }

    /// [`Dpes::client`], for somebody who only looks.
    pub(crate) async fn reader(&self, deployment: &str, pid: u32) -> Result<DpeCall> {
        let turn = owned_turn(&self.reads).await;
        self.call(deployment, pid, turn).await
    }

    /// [`Dpes::client`], for a question to the guests.
    pub(crate) async fn asker(&self, deployment: &str, pid: u32) -> Result<DpeCall> {
        let turn = self
            .questions
            .turn(deployment)
            .await
            .ok_or(Error::Crowded)?;
        self.call(deployment, pid, turn).await
    }

    async fn call(
        &self,
        deployment: &str,
        pid: u32,
        turn: impl Send + Sync + 'static,
    ) -> Result<DpeCall> {
        let owner = self.owner(deployment, pid).await?.ok_or(Error::Absent)?;
        let proxy = DpeProxy::builder(&self.connection)
            .destination(owner)
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        Ok(DpeCall {
            proxy,
            _turn: Box::new(turn),
        })
    }

    /// The unique name of the deployment's DPE; `None` while it is not on the bus.
    async fn owner(&self, deployment: &str, pid: u32) -> Result<Option<OwnedUniqueName>> {
        let name = dpe_name(deployment);
        let owner = match self.bus.get_name_owner(BusName::try_from(name)?).await {
            Ok(owner) => owner,
            Err(fdo::Error::NameHasNoOwner(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let known = lock(&self.owners).get(owner.as_str()).cloned();
        if known.is_some_and(|known| known == (deployment.to_owned(), pid)) {
            return Ok(Some(owner));
        }
        let process = BusName::from(owner.clone());
        let found = self.bus.get_connection_unix_process_id(process).await?;
        if found != pid {
            return Err(Error::Impostor { found, wanted: pid });
        }
        lock(&self.owners).insert(owner.to_string(), (deployment.to_owned(), pid));
        Ok(Some(owner))
    }

    /// What the deployment's DPE, of which this is the process, says about itself; `None` while it
    /// is not on the bus.
    pub(crate) async fn report(&self, deployment: &str, pid: u32) -> Result<Option<Report>> {
        let _turn = self.upkeep.turn(deployment).await.ok_or(Error::Crowded)?;
        let Some(owner) = self.owner(deployment, pid).await? else {
            return Ok(None);
        };
        let reply = self
            .connection
            .call_method(
                Some(owner),
                DPE_PATH,
                Some("org.freedesktop.DBus.Properties"),
                "GetAll",
                &(DPE_INTERFACE),
            )
            .await
            .map_err(Error::Silent)?;
        let mut properties: Properties = reply.body().deserialize()?;
        let state: String = take(&mut properties, "State")?;
        Ok(Some(Report {
            state: DpeState::from_word(&state),
            generation: take(&mut properties, "Generation")?,
        }))
    }

    /// The bus says that a DPE's well-known name went from this unique name to another, or to
    /// nobody. Returns its deployment.
    pub(crate) fn owner_changed(&self, name: &str, old: &str) -> Option<String> {
        let deployment = deployment_of_dpe_name(name)?;
        lock(&self.owners).remove(old);
        Some(deployment)
    }

    /// The deployment of the DPE that has this unique name.
    pub(crate) fn deployment_of(&self, unique_name: &str) -> Option<String> {
        let owners = lock(&self.owners);
        owners.get(unique_name).map(|(name, _)| name.clone())
    }
}

type Properties = HashMap<String, OwnedVariant>;

fn take<T>(properties: &mut Properties, name: &'static str) -> Result<T>
where
    T: TryFrom<OwnedVariant, Error = zbus::Error>,
{
    let value = properties.remove(name).ok_or(Error::NoProperty(name))?;
    T::try_from(value).map_err(|error| Error::Property { name, error })
}

/// A client of a deployment's DPE for one call, whose turn ends with this value.
pub(crate) struct DpeCall {
    proxy: DpeProxy<'static>,
    _turn: Box<dyn Any + Send + Sync>,
}

impl Deref for DpeCall {
    type Target = DpeProxy<'static>;

    fn deref(&self) -> &DpeProxy<'static> {
        &self.proxy
    }
}
