//! `org.cloudpolicy.Dpe1.NAME` on the bus: requests in, status out. Comes back by itself when the
//! bus restarts.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use controller::{PlanQuestion, Refusal, Request};
use cpe_bus::names::{CPE_NAME, DPE_PATH, dpe_name};
use cpe_bus::{BusSelection, Error, Fields, Result};
use cpe_status::DpeState;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use zbus::fdo::{DBusProxy, RequestNameFlags, RequestNameReply};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, interface};

use crate::explain::Basis;

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What someone asks over the bus, for the shell to answer.
#[derive(Debug)]
pub(crate) enum Question {
    /// A change; answered when it is durable.
    Change(Request, oneshot::Sender<std::result::Result<(), Refusal>>),
    Status(oneshot::Sender<String>),
    Input(oneshot::Sender<String>),
    /// What an explanation starts from; making it is not the shell's work.
    Basis(oneshot::Sender<Result<Basis>>),
    Document(oneshot::Sender<(String, u64)>),
    /// What a plan starts from; making it is not the shell's work either.
    Plan(
        String,
        oneshot::Sender<std::result::Result<PlanQuestion, Refusal>>,
    ),
}

/// What everyone may see at any time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Public {
    pub state: DpeState,
    pub summary: String,
    pub generation: u64,
    pub epoch: u64,
}

/// Serves until the shell ends: connects, takes the name, and does so again whenever the bus goes
/// away.
pub(crate) async fn serve(
    deployment: String,
    bus: BusSelection,
    questions: mpsc::UnboundedSender<Question>,
    mut public: watch::Receiver<Public>,
    connection: Arc<watch::Sender<Option<Connection>>>,
) -> anyhow::Result<()> {
    let mut pause = SHORTEST_PAUSE;
    let mut served = false;
    loop {
        match open(&deployment, &bus, &questions, &public).await {
            Ok(opened) => {
                connection.send_replace(Some(opened.clone()));
                cpe_daemon::notify(&[cpe_daemon::State::Ready]);
                (served, pause) = (true, SHORTEST_PAUSE);
                announce_until_closed(&opened, &mut public).await;
                connection.send_replace(None);
                tracing::warn!("the connection to the {bus} bus is lost; connecting again");
            }
            // At the start, a wrong address or a missing policy file is for a person to see at
            // once.
            Err(error) if !served => return Err(error),
            Err(error) => {
                tracing::warn!("{error:#}; tried again in {} ms", pause.as_millis());
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn open(
    deployment: &str,
    bus: &BusSelection,
    questions: &mpsc::UnboundedSender<Question>,
    public: &watch::Receiver<Public>,
) -> anyhow::Result<Connection> {
    let object = DpeObject {
        deployment: deployment.to_owned(),
        questions: questions.clone(),
        public: public.clone(),
        thinking: Arc::new(Semaphore::new(1)),
    };
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
        Ok(_) | Err(zbus::Error::NameTaken) => {
            bail!("another dpe of {deployment} owns {name} on the {bus} bus; stop it first")
        }
        Err(error) => Err(error).with_context(|| {
            format!("the {bus} bus does not let this user own {name}; is org.cloudpolicy.conf installed?")
        }),
    }
}

async fn announce_until_closed(connection: &Connection, public: &mut watch::Receiver<Public>) {
    let mut told = Public::default();
    loop {
        let now = public.borrow_and_update().clone();
        if let Err(error) = announce(connection, &told, &now).await {
            tracing::debug!("the state could not be announced: {error}");
        }
        told = now;
        tokio::select! {
            () = connection.closed() => return,
            changed = public.changed() => if changed.is_err() { return },
        }
    }
}

async fn announce(connection: &Connection, told: &Public, now: &Public) -> zbus::Result<()> {
    let object = connection
        .object_server()
        .interface::<_, DpeObject>(DPE_PATH)
        .await?;
    let emitter = object.signal_emitter();
    if told.state != now.state {
        object.get().await.state_changed(emitter).await?;
    }
    if told.generation != now.generation {
        object.get().await.generation_changed(emitter).await?;
    }
    if (&told.state, &told.summary) != (&now.state, &now.summary) {
        DpeObject::status_changed(emitter, now.state.as_str(), &now.summary).await?;
    }
    Ok(())
}

struct DpeObject {
    deployment: String,
    questions: mpsc::UnboundedSender<Question>,
    public: watch::Receiver<Public>,
    /// One explanation or plan at a time: each takes as much time and memory as a decision.
    thinking: Arc<Semaphore>,
}

impl DpeObject {
    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.questions
            .send(question(reply))
            .map_err(|_| self.ending())?;
        answer.await.map_err(|_| self.ending())
    }

    /// Waits for the turn to make an explanation or a plan.
    async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.thinking).acquire_owned().await;
        turn.map_err(|_| self.ending())
    }

    fn ending(&self) -> Error {
        Error::NotReady(format!("the DPE of {} is ending", self.deployment))
    }

    async fn change(
        &self,
        connection: &Connection,
        header: &Header<'_>,
        request: Request,
    ) -> Result<()> {
        require_administrator(connection, header).await?;
        self.ask(|reply| Question::Change(request, reply))
            .await?
            .map_err(refused)
    }
}

/// Does what takes long off the event loop, which has heartbeats to answer. The turn ends with the
/// work, whether or not the caller waits for it.
async fn off_the_loop<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let work = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        cpe_daemon::confine(work)
    });
    match work.await {
        Ok(Ok(answer)) => answer,
        Ok(Err(panicked)) => Err(Error::Failed(panicked.to_string())),
        Err(error) => Err(Error::Failed(error.to_string())),
    }
}

fn refused(refusal: Refusal) -> Error {
    let text = refusal.to_string();
    match refusal {
        Refusal::InvalidDocument(_) => Error::InvalidDocument(text),
        Refusal::GenerationConflict { .. } => Error::GenerationConflict(text),
        Refusal::NotFound { .. } => Error::NotFound(text),
        Refusal::NotReady(_) => Error::NotReady(text),
        Refusal::InvalidArgument(_) => Error::InvalidArgument(text),
    }
}

/// Only root, this daemon's own user and the CPE may change a deployment here; everyone else asks
/// the CPE.
async fn require_administrator(connection: &Connection, header: &Header<'_>) -> Result<()> {
    let denied = |text: String| Error::AccessDenied(text);
    let sender = header
        .sender()
        .ok_or_else(|| denied("the call has no sender, so nobody can vouch for it".into()))?;
    let bus = DBusProxy::builder(connection)
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
        .await?;
    let uid = bus
        .get_connection_unix_user(sender.clone().into())
        .await
        .map_err(|error| denied(format!("the bus does not say who calls: {error}")))?;
    if uid == 0 || uid == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let cpe = zbus::names::BusName::try_from(CPE_NAME)?;
    match bus.get_name_owner(cpe).await {
        Ok(owner) if owner.as_str() == sender.as_str() => Ok(()),
        _ => Err(denied(format!(
            "user {uid} may not do this here: ask {CPE_NAME} (cpectl), which knows who may"
        ))),
    }
}

fn optional(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[interface(name = "org.cloudpolicy.Dpe1", introspection_docs = false)]
impl DpeObject {
    /// Takes a generation of the document; returns when it is durable.
    async fn load(
        &self,
        document: String,
        generation: u64,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        // None is known yet, and those of a later CPE are for later DPEs.
        drop(options);
        let request = Request::Load {
            document,
            generation,
        };
        self.change(connection, &header, request).await
    }

    /// Ends the deployment; returns when that is durable.
    async fn unload(
        &self,
        stop_services: bool,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        self.change(connection, &header, Request::Unload { stop_services })
            .await
    }

    /// What runs where, as JSON.
    #[zbus(out_args("status_json"))]
    async fn get_status(&self) -> Result<String> {
        self.ask(Question::Status).await
    }

    /// The policy engine's input, CIB XML. It holds the services' parameters: for administrators.
    #[zbus(out_args("cib"))]
    async fn get_input(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        require_administrator(connection, &header).await?;
        self.ask(Question::Input).await
    }

    /// The document in force and its generation.
    #[zbus(out_args("document", "generation"))]
    async fn get_document(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(String, u64)> {
        require_administrator(connection, &header).await?;
        self.ask(Question::Document).await
    }

    /// What a document would change, as JSON.
    #[zbus(out_args("plan_json"))]
    async fn plan(&self, document: String) -> Result<String> {
        let turn = self.turn().await?;
        let question = self.ask(|reply| Question::Plan(document, reply)).await?;
        let question = question.map_err(refused)?;
        off_the_loop(turn, move || {
            let plan = question.answer().map_err(refused)?;
            serde_json::to_string(&plan).map_err(|error| Error::Failed(error.to_string()))
        })
        .await
    }

    /// Why a service is where it is, and why not elsewhere.
    #[zbus(out_args("text"))]
    async fn explain(&self, service: String, assembly: String) -> Result<String> {
        let turn = self.turn().await?;
        let basis = self.ask(Question::Basis).await??;
        off_the_loop(turn, move || {
            basis.explain(&service, optional(assembly).as_deref())
        })
        .await
    }

    /// Forgets failures.
    async fn cleanup(
        &self,
        service: String,
        assembly: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let request = Request::Cleanup {
            service: optional(service),
            assembly: optional(assembly),
        };
        self.change(connection, &header, request).await
    }

    /// Has an assembly keep no services, or ends that.
    async fn set_standby(
        &self,
        assembly: String,
        on: bool,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        self.change(connection, &header, Request::Standby { assembly, on })
            .await
    }

    /// Leaves services alone, or ends that.
    async fn set_maintenance(
        &self,
        assembly: String,
        on: bool,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let assembly = optional(assembly);
        self.change(connection, &header, Request::Maintenance { assembly, on })
            .await
    }

    /// Vouches that an assembly is down.
    async fn confirm_fenced(
        &self,
        assembly: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        self.change(connection, &header, Request::ConfirmFenced { assembly })
            .await
    }

    /// The state in one word.
    #[zbus(property)]
    fn state(&self) -> &'static str {
        self.public.borrow().state.as_str()
    }

    /// The generation in force.
    #[zbus(property)]
    fn generation(&self) -> u64 {
        self.public.borrow().generation
    }

    /// This start's epoch.
    #[zbus(property(emits_changed_signal = "const"))]
    fn epoch(&self) -> u64 {
        self.public.borrow().epoch
    }

    /// The state, or what is said about it, changed.
    #[zbus(signal)]
    async fn status_changed(
        emitter: &SignalEmitter<'_>,
        state: &str,
        summary: &str,
    ) -> zbus::Result<()>;
}
