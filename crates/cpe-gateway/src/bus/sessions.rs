//! A connection to cpe for each principal, which is that principal for cpe.
//!
//! On a fresh connection the gateway says once whose it is (`Assume`); cpe remembers that for as
//! long as the connection lives, and cannot be told otherwise. So no mistake here can have a call
//! of one principal made with the rights of another. Calls go to the very process that was told:
//! its successor knows nothing of it, and is asked on a new connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cpe_bus::names::{CPE_NAME, check_deployment_name, deployment_path};
use cpe_bus::proxies::{CpeDeploymentProxy, CpeHostsProxy, CpeManagerProxy};
use cpe_bus::{BusSelection, Error, Result};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout};
use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::proxy::CacheProperties;

use crate::problem::Problem;
use crate::rights::Rights;

/// Connections at a time; the oldest makes room.
const MOST: usize = 64;
/// A connection is used for so long: what was granted or taken away since counts then.
const LIFE: Duration = Duration::from_secs(60);
/// A call that is not answered by then is given up. cpe gives a DPE a minute.
const REPLY: Duration = Duration::from_secs(90);
/// How long becoming a principal may take.
const OPENING: Duration = Duration::from_secs(10);

/// A principal's connection.
#[derive(Debug)]
pub struct Session {
    /// What the principal may do.
    pub rights: Rights,
    /// Why nothing but looking is possible, if so.
    pub remark: Option<String>,
    assumed: Option<Assumed>,
}

#[derive(Debug)]
struct Assumed {
    connection: Connection,
    /// The unique name of the cpe that was told.
    cpe: String,
}

impl Session {
    fn assumed(&self) -> Result<&Assumed> {
        self.assumed
            .as_ref()
            .ok_or_else(|| Error::AccessDenied(self.remark.clone().unwrap_or_default()))
    }

    /// Whether more than looking is possible.
    ///
    /// # Errors
    /// [`Error::AccessDenied`] if cpe was not told who this is.
    pub(crate) fn is_assumed(&self) -> Result<()> {
        self.assumed().map(drop)
    }

    /// To create, change and plan deployments, as the principal.
    ///
    /// # Errors
    /// [`Error::AccessDenied`] if cpe was not told who this is.
    pub async fn manager(&self) -> Result<CpeManagerProxy<'static>> {
        let assumed = self.assumed()?;
        Ok(CpeManagerProxy::builder(&assumed.connection)
            .destination(assumed.cpe.clone())
            .cache_properties(CacheProperties::No)
            .build()
            .await?)
    }

    /// The hosts that share deployments, as the principal.
    ///
    /// # Errors
    /// [`Error::AccessDenied`] if cpe was not told who this is.
    pub async fn hosts(&self) -> Result<CpeHostsProxy<'static>> {
        let assumed = self.assumed()?;
        Ok(CpeHostsProxy::builder(&assumed.connection)
            .destination(assumed.cpe.clone())
            .cache_properties(CacheProperties::No)
            .build()
            .await?)
    }

    /// A deployment, as the principal.
    ///
    /// # Errors
    /// [`Error::AccessDenied`] if cpe was not told who this is.
    pub async fn deployment(&self, name: &str) -> Result<CpeDeploymentProxy<'static>> {
        check_deployment_name(name)?;
        let assumed = self.assumed()?;
        Ok(CpeDeploymentProxy::builder(&assumed.connection)
            .destination(assumed.cpe.clone())
            .path(deployment_path(name))
            .cache_properties(CacheProperties::No)
            .build()
            .await?)
    }
}

#[derive(Debug)]
struct Slot {
    begun: Instant,
    session: OnceCell<Arc<Session>>,
}

/// All of them.
#[derive(Debug)]
pub struct Sessions {
    bus: BusSelection,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

impl Sessions {
    pub(crate) fn new(bus: BusSelection) -> Sessions {
        Sessions {
            bus,
            slots: Mutex::default(),
        }
    }

    fn slot(&self, principal: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        slots.retain(|_, slot| now - slot.begun < LIFE);
        if let Some(slot) = slots.get(principal) {
            return Arc::clone(slot);
        }
        if slots.len() >= MOST {
            let oldest = slots.iter().min_by_key(|(_, slot)| slot.begun);
            let oldest = oldest.map(|(principal, _)| principal.clone());
            oldest.and_then(|principal| slots.remove(&principal));
        }
        let slot = Arc::new(Slot {
            begun: now,
            session: OnceCell::new(),
        });
        slots.insert(principal.to_owned(), Arc::clone(&slot));
        slot
    }

    fn forget(&self, principal: &str, session: &Arc<Session>) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let is_that = |slot: &Arc<Slot>| {
            slot.session
                .get()
                .is_some_and(|it| Arc::ptr_eq(it, session))
        };
        if slots.get(principal).is_some_and(is_that) {
            slots.remove(principal);
        }
    }

    /// The session of a principal.
    ///
    /// # Errors
    /// If cpe does not answer.
    pub async fn of(&self, principal: &str) -> Result<Arc<Session>> {
        let slot = self.slot(principal);
        let opened = slot.session.get_or_try_init(|| self.open(principal)).await;
        opened.map(Arc::clone)
    }

    /// Asks something as a principal, or has done what may be done twice. It is done again, once,
    /// if the cpe that was told who this is was gone before it was asked.
    ///
    /// # Errors
    /// What cpe answers.
    pub async fn ask<T, F>(
        &self,
        principal: &str,
        call: impl Fn(Arc<Session>) -> F,
    ) -> std::result::Result<T, Problem>
    where
        F: Future<Output = Result<T>>,
    {
        Ok(self.call(principal, call).await?)
    }

    /// [`Sessions::ask`], to have something done that must not be done twice: whoever hears no
    /// answer is not told to try again.
    ///
    /// # Errors
    /// What cpe answers; that nobody knows whether it was done.
    pub async fn change<T, F>(
        &self,
        principal: &str,
        call: impl Fn(Arc<Session>) -> F,
    ) -> std::result::Result<T, Problem>
    where
        F: Future<Output = Result<T>>,
    {
        self.call(principal, call).await.map_err(of_change)
    }

    async fn call<T, F>(&self, principal: &str, call: impl Fn(Arc<Session>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let session = self.of(principal).await.map_err(not_begun)?;
        let error = match call(Arc::clone(&session)).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let is_gone = matches!(
            error.foreign_name().as_deref(),
            Some(
                "org.freedesktop.DBus.Error.ServiceUnknown"
                    | "org.freedesktop.DBus.Error.NameHasNoOwner"
            )
        );
        if is_gone || matches!(error, Error::ZBus(zbus::Error::InputOutput(_))) {
            self.forget(principal, &session);
        }
        if !is_gone {
            return Err(error);
        }
        let session = self.of(principal).await.map_err(not_begun)?;
        call(session).await
    }

    async fn open(&self, principal: &str) -> Result<Arc<Session>> {
        let opened = timeout(OPENING, self.assume(principal)).await;
        let session = opened.unwrap_or_else(|_| {
            Err(Error::NotReady("cpe does not answer; try again".to_owned()))
        })?;
        Ok(Arc::new(session))
    }

    async fn assume(&self, principal: &str) -> Result<Session> {
        let connection = cpe_bus::connect(&self.bus, REPLY).await;
        let connection = connection.map_err(|error| Error::NotReady(error.message()))?;
        let bus = DBusProxy::new(&connection).await?;
        let cpe = bus.get_name_owner(CPE_NAME.try_into()?).await;
        let cpe = cpe.map_err(|error| Error::ZBus(error.into()))?.to_string();
        let assume = CpeManagerProxy::builder(&connection)
            .destination(cpe.clone())
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        let refused = match assume.assume(principal).await {
            Ok(pairs) => {
                return Ok(Session {
                    rights: Rights::of(pairs),
                    remark: None,
                    assumed: Some(Assumed { connection, cpe }),
                });
            }
            Err(error) => error,
        };
        let (rights, remark) = match (&refused, refused.foreign_name().as_deref()) {
            (_, Some("org.freedesktop.DBus.Error.UnknownMethod")) => {
                let remark = "this cpe takes nobody's word for who calls (it has no Assume): the gateway can only look";
                (without_assume(principal), remark.to_owned())
            }
            (Error::AccessDenied(_), _) | (_, Some("org.freedesktop.DBus.Error.AccessDenied")) => {
                let remark = format!(
                    "cpe does not take the gateway's word for who calls (`delegates` of /etc/cpe/access.toml): it shows nothing ({})",
                    refused.message()
                );
                // What this principal may see cpe does not say; strangers may be to see nothing.
                (Rights::default(), remark)
            }
            _ => return Err(refused),
        };
        tracing::warn!(principal, "{remark}");
        Ok(Session {
            rights,
            remark: Some(remark),
            assumed: None,
        })
    }
}

/// Nobody was told anything yet.
fn not_begun(error: Error) -> Error {
    match error.is_temporary() || error.leaves_it_open() {
        true => Error::NotReady(format!("cpe does not answer ({})", error.message())),
        false => error,
    }
}

/// Why a change is not known to be done.
fn of_change(error: Error) -> Problem {
    match error {
        known @ Error::OutcomeUnknown(_) => known.into(),
        error if error.leaves_it_open() => Problem::outcome_unknown(
            "cpe was told, and has not answered: look whether it was done before you try again",
        ),
        error => error.into(),
    }
}

/// What is shown to somebody of whom cpe cannot be told, since it knows no rights: to users of this
/// host what the bus would tell them, to others nothing.
fn without_assume(principal: &str) -> Rights {
    match principal.starts_with("user:") {
        true => Rights::viewer_of_all(),
        false => Rights::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hears_no_answer_to_a_change_is_not_told_to_try_again() {
        let standard = |error: zbus::fdo::Error| Error::ZBus(zbus::Error::FDO(Box::new(error)));
        let ended = || standard(zbus::fdo::Error::NoReply("gone".into()));
        let open = of_change(ended());
        assert_eq!((open.status, open.retry_after), (409, None));
        assert!(open.kind.ends_with("/unknown-outcome"), "{}", open.kind);
        let before = of_change(not_begun(ended()));
        assert_eq!(before.status, 503, "nobody was told");
        assert_eq!(of_change(Error::Busy("later".into())).status, 409);
        let absent = standard(zbus::fdo::Error::ServiceUnknown("none".into()));
        assert_eq!(of_change(absent).status, 503);
    }

    #[test]
    fn without_assume_only_users_of_this_host_see_anything() {
        assert!(without_assume("user:alice").sees("shop"));
        assert!(!without_assume("token:user:alice").sees("shop"));
        assert!(!without_assume("cert:urn:alice").sees("shop"));
    }
}
