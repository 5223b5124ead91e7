//! What all requests share.

use std::sync::Arc;

use cpe_bus::json::from_json;
use cpe_bus::{BusSelection, Fields};
use cpe_status::RoomReport;
use serde_json::Value;

use crate::bus::{Session, Sessions};
use crate::identity::{Logins, Principal, TokenFile, Users};
use crate::limits::{Place, Places, Rate};
use crate::metrics::Requests;
use crate::mirror::Mirror;
use crate::plans::Plans;
use crate::problem::Problem;
use crate::rights::Role;
use crate::settings::Settings;

/// Plans, explanations and checks at once: of one principal, and in all.
const SIMULATIONS: (usize, usize) = (2, 4);
/// Documents of requests in memory at once.
const DOCUMENTS: (usize, usize) = (4, 8);
/// Streams of events at once.
const STREAMS: (usize, usize) = (8, 256);
/// Waits for the end of an operation at once.
const WAITS: (usize, usize) = (8, 128);

/// The gateway, without its sockets.
#[derive(Debug)]
pub struct App {
    /// What an administrator has set.
    pub settings: Settings,
    /// What is known.
    pub mirror: Arc<Mirror>,
    /// Ways to cpe.
    pub sessions: Sessions,
    pub(crate) tokens: TokenFile,
    pub(crate) logins: Logins,
    pub(crate) users: Users,
    pub(crate) plans: Plans,
    pub(crate) requests: Rate,
    pub(crate) wrong_tokens: Rate,
    pub(crate) streams: Arc<Places>,
    pub(crate) documents: Arc<Places>,
    /// Whoever creates a deployment.
    pub(crate) creating: tokio::sync::Mutex<()>,
    pub(crate) waits: Arc<Places>,
    simulations: Arc<Places>,
    /// What was asked until now.
    pub(crate) noted: Requests,
    /// Whoever scrapes: one page is made at a time.
    pub(crate) scraping: tokio::sync::Mutex<()>,
}

impl App {
    /// Begins to mirror what is on the bus.
    pub fn start(settings: Settings, bus: BusSelection) -> Arc<App> {
        let limits = &settings.limits;
        let wrong = f64::from(limits.wrong_tokens_per_minute);
        Arc::new(App {
            mirror: Mirror::start(bus.clone()),
            sessions: Sessions::new(bus),
            tokens: TokenFile::new(settings.tokens.clone()),
            logins: Logins::default(),
            users: Users::default(),
            plans: Plans::default(),
            requests: Rate::new(f64::from(limits.requests_per_second), limits.burst),
            wrong_tokens: Rate::new(wrong / 60.0, limits.wrong_tokens_per_minute),
            streams: Places::new(STREAMS.0, STREAMS.1),
            documents: Places::new(DOCUMENTS.0, DOCUMENTS.1),
            waits: Places::new(WAITS.0, WAITS.1),
            simulations: Places::new(SIMULATIONS.0, SIMULATIONS.1),
            creating: tokio::sync::Mutex::default(),
            noted: Requests::default(),
            scraping: tokio::sync::Mutex::default(),
            settings,
        })
    }

    /// The session of somebody who may see a deployment.
    ///
    /// # Errors
    /// Not found, whether there is none or it is not to be seen.
    pub async fn seen_by(&self, who: &Principal, name: &str) -> Result<Arc<Session>, Problem> {
        let session = self.sessions.of(&who.name).await?;
        match session.rights.sees(name) && cpe_bus::names::is_deployment_name(name) {
            true => Ok(session),
            false => Err(no_deployment(name)),
        }
    }

    /// Refuses who may not change a deployment, before what it sends is read.
    pub(crate) async fn owned_by(&self, who: &Principal, name: &str) -> Result<(), Problem> {
        let session = self.seen_by(who, name).await?;
        session.is_assumed()?;
        match session.rights.role(name) >= Some(Role::Owner) {
            true => Ok(()),
            false => Err(refused(format!("it takes role `owner` of `{name}`"))),
        }
    }

    /// Refuses who may not ask about documents, before what it sends is read.
    pub(crate) async fn asked_by(&self, who: &Principal) -> Result<(), Problem> {
        let session = self.sessions.of(&who.name).await?;
        session.is_assumed()?;
        match session.rights.0.is_empty() {
            true => Err(refused("it takes a role for some deployment".to_owned())),
            false => Ok(()),
        }
    }

    /// Why services are where they are: what cpe answers to these options.
    ///
    /// # Errors
    /// See [`App::simulation`], and what cpe refuses.
    pub(crate) async fn explanation(
        &self,
        who: &Principal,
        name: &str,
        options: &Fields,
    ) -> Result<Value, Problem> {
        let _place = self.simulation(who)?;
        let ask = self.sessions.ask(&who.name, |session| {
            let (name, options) = (name.to_owned(), options.clone());
            async move {
                let deployment = session.deployment(&name).await?;
                deployment.get_explanation(options).await
            }
        });
        Ok(from_json(&ask.await?)?)
    }

    /// What would follow if assemblies were lost: of the losses that these options name.
    ///
    /// # Errors
    /// See [`App::simulation`], and what cpe refuses.
    pub(crate) async fn room(
        &self,
        who: &Principal,
        name: &str,
        options: &Fields,
    ) -> Result<RoomReport, Problem> {
        let _place = self.simulation(who)?;
        let ask = self.sessions.ask(&who.name, |session| {
            let (name, options) = (name.to_owned(), options.clone());
            async move { session.deployment(&name).await?.check_room(options).await }
        });
        Ok(from_json(&ask.await?)?)
    }

    /// A place for what takes long.
    ///
    /// # Errors
    /// If the caller, or all together, have too many already.
    pub(crate) fn simulation(&self, who: &Principal) -> Result<Place, Problem> {
        let (each, all) = SIMULATIONS;
        self.simulations.enter(&who.name).ok_or_else(|| {
            let detail = format!(
                "at most {each} plans, explanations and checks of one caller are made at once, and {all} in all"
            );
            Problem::too_many(detail, 1)
        })
    }
}

fn refused(takes: String) -> Problem {
    cpe_bus::Error::AccessDenied(format!("{takes}, by access.toml or ownership")).into()
}

/// There is no such deployment, as far as the caller may know.
pub(crate) fn no_deployment(name: &str) -> Problem {
    let name = cpe_bus::fields::bounded(name, 80);
    Problem::not_found(format!(
        "there is no deployment `{name}`, or none that you may see"
    ))
}
