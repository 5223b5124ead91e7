//! What is asked over the bus, on its way to the loop.

use std::sync::Arc;

use controller::{
    AssemblyId, DebugInput, DebugOrder, DebugTask, PlanInput, Proposal, Question, Refusal, Reply,
    Request, RoomInput, RoomQuestion, ServiceId, ServiceOrder, ServicePlanInput, UpkeepPlanInput,
    Why,
};
use cpe_bus::{Error, Result};
use cpe_status::{DebugReport, DeploymentStatus, OperationList};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::explain::Basis;

/// Requests that may wait for the loop. The loop takes one at a time between inputs of agents, most
/// in less than a millisecond; a caller that finds the queue full gets an error and may try again.
const REQUESTS: usize = 64;
/// Places of these that are kept for changes: a crowd that asks for the status must not keep the
/// CPE's Load or an administrator's Standby out.
const KEPT_FOR_CHANGES: usize = 16;
/// Explanations and plans that may wait while one is made. Each takes as long as a decision, up to
/// seconds in a large deployment, so a caller waits for at most eight of them.
const WAITING: usize = 8;

/// What someone asks over the bus, for the loop to answer.
#[derive(Debug)]
pub(crate) enum BusRequest {
    /// A change, and who asks for it; answered when it is durable.
    Change(Request, String, oneshot::Sender<Result<()>>),
    /// Something for an agent, about its guest's boot. Dropped: it could not be asked.
    Ask(AssemblyId, Box<Question>, oneshot::Sender<Reply>),
    Status(oneshot::Sender<DeploymentStatus>),
    /// The last operations of a service (`None`: of all) in an assembly (`None`: in all).
    Operations(
        Option<ServiceId>,
        Option<AssemblyId>,
        oneshot::Sender<std::result::Result<OperationList, Refusal>>,
    ),
    Input(oneshot::Sender<String>),
    /// What an explanation starts from; making it is not the loop's work.
    Basis(oneshot::Sender<Result<Basis>>),
    Document(oneshot::Sender<(String, u64)>),
    /// What a plan starts from; making it is not the loop's work either.
    Plan(
        Box<Proposal>,
        oneshot::Sender<std::result::Result<PlanInput, Refusal>>,
    ),
    /// The same of an order about a service.
    PlanService(
        ServiceId,
        ServiceOrder,
        oneshot::Sender<std::result::Result<ServicePlanInput, Refusal>>,
    ),
    /// The same of an operation that is to be run once.
    PlanDebug(
        DebugTask,
        ServiceId,
        AssemblyId,
        oneshot::Sender<std::result::Result<DebugInput, Refusal>>,
    ),
    /// Such an operation, and who asks for it; answered when it has begun, with what is known.
    Debug(
        Box<DebugOrder>,
        String,
        oneshot::Sender<Result<DebugReport>>,
    ),
    /// What is known by now of the one with that id.
    Debugged(String, oneshot::Sender<Result<DebugReport>>),
    /// What the answer starts from whether there is room after a loss.
    Room(
        RoomQuestion,
        oneshot::Sender<std::result::Result<RoomInput, Refusal>>,
    ),
    /// The same with that document in force.
    RoomOf(
        Box<Proposal>,
        oneshot::Sender<std::result::Result<RoomInput, Refusal>>,
    ),
    /// What a plan starts from of standby of an assembly (`None`: of all), or of its end.
    PlanStandby(
        Option<AssemblyId>,
        bool,
        oneshot::Sender<std::result::Result<PlanInput, Refusal>>,
    ),
    /// The same of a clean-up, a refresh or maintenance.
    PlanUpkeep(
        Box<Request>,
        oneshot::Sender<std::result::Result<UpkeepPlanInput, Refusal>>,
    ),
}

/// The way to the loop, with a bound on how many are on it.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    deployment: String,
    queue: mpsc::Sender<BusRequest>,
    /// One explanation or plan at a time: each takes as much time and memory as a decision.
    thinking: Line,
    /// One question to the guests at a time: each takes up to 20 s.
    asking: Line,
    /// Changes go to the loop in the order in which they were asked for, also while the document of
    /// one of them is read.
    changing: Line,
}

/// Callers who have their turns one after another, as they came.
#[derive(Debug, Clone)]
struct Line {
    turn: Arc<Semaphore>,
    /// Who has the turn, and who waits for it.
    places: Arc<Semaphore>,
}

impl Line {
    fn new(waiting: usize) -> Line {
        Line {
            turn: Arc::new(Semaphore::new(1)),
            places: Arc::new(Semaphore::new(1 + waiting)),
        }
    }

    /// The next turn; `None` if too many wait.
    async fn turn(&self) -> Option<Turn> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let turn = Arc::clone(&self.turn).acquire_owned().await.ok()?;
        Some(Turn {
            _turn: turn,
            _place: place,
        })
    }
}

/// The turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _turn: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Requests {
    /// The way to the loop of a deployment, and its end there.
    pub(crate) fn new(deployment: &str) -> (Requests, mpsc::Receiver<BusRequest>) {
        let (queue, requests) = mpsc::channel(REQUESTS);
        let way = Requests {
            deployment: deployment.to_owned(),
            queue,
            thinking: Line::new(WAITING),
            asking: Line::new(WAITING),
            changing: Line::new(KEPT_FOR_CHANGES),
        };
        (way, requests)
    }

    /// Has a change made; returns when it is durable. The next one has its turn before.
    pub(crate) async fn change(&self, turn: Arc<Turn>, request: Request, by: String) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.send(BusRequest::Change(request, by, reply))?;
        drop(turn);
        answer.await.map_err(|_| self.ended())?
    }

    /// Has an agent change something of its guest's boot; returns when it has.
    pub(crate) async fn ask_agent(&self, assembly: AssemblyId, question: Question) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let name = assembly.clone();
        let question = Box::new(question);
        self.send(BusRequest::Ask(assembly, question, reply))?;
        match answer.await {
            Ok(Reply::Done | Reply::Values(_)) => Ok(()),
            Ok(Reply::Refused {
                why: Why::Invalid,
                text,
            }) => Err(Error::InvalidArgument(text)),
            Ok(Reply::Refused {
                why: Why::NoNode | Why::NoSuch,
                text,
            }) => Err(Error::NotFound(text)),
            Ok(Reply::Refused {
                why: Why::NotNow,
                text,
            }) => Err(Error::NotReady(text)),
            Err(_) => Err(Error::OutcomeUnknown(format!(
                "the agent of {name} went away before it answered: look whether the value is set"
            ))),
        }
    }

    /// Has an operation run once; returns what is known when it has begun.
    pub(crate) async fn debug(&self, order: DebugOrder, by: String) -> Result<DebugReport> {
        let (reply, answer) = oneshot::channel();
        self.send(BusRequest::Debug(Box::new(order), by, reply))?;
        answer.await.map_err(|_| self.ended())?
    }

    /// Asks for something that changes nothing.
    pub(crate) async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> BusRequest,
    ) -> Result<T> {
        if self.queue.capacity() <= KEPT_FOR_CHANGES {
            return Err(self.too_many());
        }
        let (reply, answer) = oneshot::channel();
        self.send(request(reply))?;
        answer.await.map_err(|_| self.ending())
    }

    fn send(&self, request: BusRequest) -> Result<()> {
        use mpsc::error::TrySendError::{Closed, Full};
        self.queue.try_send(request).map_err(|error| match error {
            Full(_) => self.too_many(),
            Closed(_) => self.ending(),
        })
    }

    /// Waits for the turn to make an explanation or a plan.
    pub(crate) async fn turn_to_think(&self) -> Result<Turn> {
        self.thinking.turn().await.ok_or_else(|| self.too_many())
    }

    /// Waits for the turn to ask the guests.
    pub(crate) async fn turn_to_ask(&self) -> Result<Turn> {
        self.asking.turn().await.ok_or_else(|| self.too_many())
    }

    /// Waits for the turn to ask for a change.
    pub(crate) async fn turn_to_change(&self) -> Result<Turn> {
        self.changing.turn().await.ok_or_else(|| self.too_many())
    }

    /// Name of the deployment.
    pub(crate) fn deployment(&self) -> &str {
        &self.deployment
    }

    fn too_many(&self) -> Error {
        Error::Busy(format!(
            "too many requests wait for the DPE of {}: try again",
            self.deployment
        ))
    }

    /// It has taken what was sent to it, and has not answered.
    fn ended(&self) -> Error {
        Error::OutcomeUnknown(format!(
            "the DPE of {} has ended before it answered",
            self.deployment
        ))
    }

    fn ending(&self) -> Error {
        Error::NotReady(format!("the DPE of {} is ending", self.deployment))
    }
}

/// A refusal as the bus names it.
pub(crate) fn refused(refusal: Refusal) -> Error {
    let text = refusal.to_string();
    match refusal {
        Refusal::InvalidDocument(_) => Error::InvalidDocument(text),
        Refusal::GenerationConflict { .. } => Error::GenerationConflict(text),
        Refusal::NotFound { .. } => Error::NotFound(text),
        Refusal::NotReady(_) => Error::NotReady(text),
        Refusal::Refused(_) => Error::Refused(text),
        Refusal::InvalidArgument(_) => Error::InvalidArgument(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has something polled once that waits then.
    async fn begin(task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
        tokio::task::yield_now().await;
    }

    async fn change(requests: &Requests) -> Result<()> {
        let turn = Arc::new(requests.turn_to_change().await?);
        let stop_services = true;
        let request = Request::Unload { stop_services };
        requests.change(turn, request, "root".into()).await
    }

    fn is_too_many<T>(result: Result<T>) -> bool {
        matches!(result, Err(Error::Busy(text)) if text.contains("too many requests"))
    }

    #[tokio::test]
    async fn a_crowd_of_readers_is_refused_and_leaves_room_for_changes() {
        let (requests, mut waiting) = Requests::new("shop");
        let mut refused = 0;
        for _ in 0..REQUESTS {
            let reader = requests.clone();
            if requests.queue.capacity() > KEPT_FOR_CHANGES {
                begin(async move { drop(reader.ask(BusRequest::Status).await) }).await;
            } else {
                refused += usize::from(is_too_many(reader.ask(BusRequest::Status).await));
            }
        }
        assert_eq!(refused, KEPT_FOR_CHANGES);
        for _ in 0..KEPT_FOR_CHANGES {
            let administrator = requests.clone();
            begin(async move { drop(change(&administrator).await) }).await;
        }
        assert!(is_too_many(change(&requests).await));
        // One is taken: there is room for one.
        waiting.recv().await.unwrap();
        let administrator = requests.clone();
        begin(async move { drop(change(&administrator).await) }).await;
        assert_eq!(waiting.len(), REQUESTS);
    }

    #[tokio::test]
    async fn a_bounded_number_waits_for_an_explanation() {
        let (requests, _waiting) = Requests::new("shop");
        let turn = requests.turn_to_think().await.unwrap();
        for _ in 0..WAITING {
            let caller = requests.clone();
            begin(async move { drop(caller.turn_to_think().await) }).await;
        }
        assert!(is_too_many(requests.turn_to_think().await));
        drop(turn);
        tokio::task::yield_now().await;
        assert!(requests.turn_to_think().await.is_ok());
    }

    #[tokio::test]
    async fn a_change_waits_for_one_whose_document_is_read() {
        let (requests, mut waiting) = Requests::new("shop");
        let reading = Arc::new(requests.turn_to_change().await.unwrap());
        let administrator = requests.clone();
        begin(async move { drop(change(&administrator).await) }).await;
        assert!(waiting.is_empty());
        let assembly = "web1".into();
        let first = Request::Standby { assembly, on: true };
        begin(async move { drop(requests.change(reading, first, "root".into()).await) }).await;
        tokio::task::yield_now().await;
        for is_first in [true, false] {
            let BusRequest::Change(request, ..) = waiting.try_recv().unwrap() else {
                panic!("not a change");
            };
            assert_eq!(matches!(request, Request::Standby { .. }), is_first);
        }
    }

    #[tokio::test]
    async fn a_dpe_that_ends_says_so() {
        let (requests, waiting) = Requests::new("shop");
        drop(waiting);
        let error = requests.ask(BusRequest::Status).await.unwrap_err();
        assert!(matches!(error, Error::NotReady(_)), "{error:?}");
        let error = change(&requests).await.unwrap_err();
        assert!(!error.leaves_it_open(), "it was not taken: {error:?}");
    }

    #[tokio::test]
    async fn of_a_change_that_it_has_taken_when_it_ends_nobody_knows() {
        let (requests, waiting) = Requests::new("shop");
        let asked = tokio::spawn(async move { change(&requests).await });
        tokio::task::yield_now().await;
        assert_eq!(waiting.len(), 1);
        drop(waiting);
        let error = asked.await.unwrap().unwrap_err();
        assert!(error.leaves_it_open(), "{error:?}");
    }
}
