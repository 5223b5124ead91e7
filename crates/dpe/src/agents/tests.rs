//! Streams to an agent that is played here: one that sends many signals at once, and one that
//! answers nothing.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cpe_bus::peer::{Access, PeerListener, server_builder};
use cpe_bus::records::agent::CONFIGURE;
use cpe_bus::{
    AgentDescription, Error, Fields, GUEST_SECRETS, HelloReply, OperationRecord, PeerAddress,
};
use zbus::object_server::SignalEmitter;

use super::stream::Unreadable;
use super::*;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);
/// More signals than a connection's own queues and a socket hold.
const MANY: u32 = 3000;

/// A played agent's behaviour and what it has seen.
#[derive(Debug, Default)]
struct Played {
    /// Completions that are sent before Hello is answered.
    sends_first: u32,
    /// No call is answered but Hello, History and Attributes.
    hangs: AtomicBool,
    renewed: AtomicU64,
    released: AtomicBool,
    /// Its guest belongs to another deployment.
    occupied: bool,
    /// What it answers for others; without anything it never does.
    answer: Mutex<Option<(Fields, Vec<Fields>)>>,
    executed: AtomicBool,
    /// It runs what is to be run before services start.
    configures: bool,
    /// Questions without a meaning that are sent when it answers Hello.
    asks: u32,
    /// Its guest is shut down with the first operation, and is gone with its last word.
    leaves: bool,
}

struct Agent(Arc<Played>);

impl Agent {
    async fn answer(&self) {
        if self.0.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

#[zbus::interface(name = "org.cloudpolicy.Agent1")]
impl Agent {
    async fn hello(
        &self,
        _epoch: u64,
        _deployment: String,
        _assembly: String,
        _settings: Fields,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> cpe_bus::Result<Fields> {
        if self.0.occupied {
            return Err(Error::Occupied(
                "this guest is assembly app1 of bank".into(),
            ));
        }
        for call_id in 1..=self.0.sends_first {
            let record = OperationRecord {
                operation: operation(call_id),
                call_id,
                ..OperationRecord::default()
            };
            Self::operation_completed(&emitter, record.to_fields())
                .await
                .unwrap();
        }
        for number in 0..self.0.asks {
            Self::question(&emitter, number.into(), Fields::new())
                .await
                .unwrap();
        }
        let reply = HelloReply {
            boot_id: "boot".into(),
            capabilities: self
                .0
                .configures
                .then(|| [CONFIGURE, GUEST_SECRETS].map(str::to_owned))
                .into_iter()
                .flatten()
                .collect(),
            ..HelloReply::default()
        };
        Ok(reply.to_fields())
    }

    fn describe(&self) -> Fields {
        let described = AgentDescription {
            machine_id: "m1".into(),
            boot_id: "b1".into(),
            version: "played".into(),
            deployment: "bank".into(),
            assembly: "app1".into(),
            ..AgentDescription::default()
        };
        described.to_fields()
    }

    fn history(&self, _epoch: u64) -> Vec<Fields> {
        Vec::new()
    }

    fn renew(&self, _epoch: u64, stamp: u64) {
        self.0.renewed.store(stamp, Ordering::Relaxed);
    }

    async fn execute(
        &self,
        _epoch: u64,
        _operation: Fields,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) {
        self.answer().await;
        self.0.executed.store(true, Ordering::Relaxed);
        if self.0.leaves {
            let leaving = cpe_bus::Leaving {
                reason: "shutdown".into(),
                wait_ms: 5000,
            };
            Self::leaving(&emitter, leaving.to_fields()).await.unwrap();
            let record = OperationRecord {
                operation: operation(1),
                ..OperationRecord::default()
            };
            let record = record.to_fields();
            Self::operation_completed(&emitter, record).await.unwrap();
            Self::left(&emitter).await.unwrap();
            let connection = emitter.connection().clone();
            let _ = connection.close().await;
        }
    }

    #[zbus(out_args("answer", "values"))]
    async fn ask(&self, _epoch: u64, _question: Fields) -> (Fields, Vec<Fields>) {
        let answer = self.0.answer.lock().unwrap().clone();
        match answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    async fn release(&self, _epoch: u64, _keep_services: bool) {
        self.answer().await;
        self.0.released.store(true, Ordering::Relaxed);
    }

    #[zbus(signal)]
    async fn leaving(emitter: &SignalEmitter<'_>, info: Fields) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn question(
        emitter: &SignalEmitter<'_>,
        number: u64,
        question: Fields,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn left(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn operation_completed(emitter: &SignalEmitter<'_>, record: Fields) -> zbus::Result<()>;
}

fn operation(number: u32) -> cpe_bus::Operation {
    cpe_bus::Operation {
        id: number.to_string(),
        resource: "db".into(),
        class: "ocf".into(),
        agent: "Dummy".into(),
        action: "monitor".into(),
        ..cpe_bus::Operation::default()
    }
}

fn execute(number: u32) -> Call {
    let operation = operation(number);
    Call::Execute(Box::new(Operation {
        id: operation.id,
        resource: operation.resource,
        class: operation.class,
        provider: operation.provider,
        kind: operation.agent,
        action: operation.action.as_str().into(),
        interval_ms: 0,
        timeout_ms: 0,
        parameters: BTreeMap::new(),
        meta: BTreeMap::new(),
        annotations: BTreeMap::new(),
        configure: None,
        verbose: false,
    }))
}

/// None: all agents are played at socket files.
fn no_credentials() -> Arc<Credentials> {
    let side = cpe_bus::peer::Side::Dpe {
        deployment: "shop".into(),
    };
    Credentials::new(std::path::Path::new("/nonexistent"), side)
}

/// To an assembly that cannot be reached.
fn connect_to(assembly: &str) -> Connect {
    Connect {
        number: 7,
        assembly: assembly.into(),
        address: None,
        epoch: 1,
        deployment: "shop".into(),
        heartbeat_interval_ms: 1000,
        heartbeat_timeout_ms: 5000,
        lease_ms: 0,
        grace_ms: 0,
        stop_timeout_ms: 0,
    }
}

/// A guest with a played agent, and the streams to it.
struct World {
    _folder: tempfile::TempDir,
    played: Arc<Played>,
    agents: Agents,
    inputs: mpsc::Receiver<Input>,
}

impl World {
    /// With a queue of inputs of that size.
    async fn new(played: Played, size: usize) -> World {
        World::allowed(played, size, Permit::default()).await
    }

    /// Of a DPE with that right to send.
    async fn allowed(played: Played, size: usize, permit: Permit) -> World {
        let folder = tempfile::tempdir().unwrap();
        let address = PeerAddress::Unix(folder.path().join("agent.sock"));
        let played = Arc::new(played);
        let listener = PeerListener::bind(&address, &Access::default()).await;
        tokio::spawn(play(listener.unwrap(), Arc::clone(&played)));
        let (sender, inputs) = mpsc::channel(size);
        let mut agents = Agents::new(sender, watch::channel(None).1, no_credentials(), permit);
        agents.connect(Connect {
            address: Some(address.to_string()),
            ..connect_to("web1")
        });
        World {
            _folder: folder,
            played,
            agents,
            inputs,
        }
    }

    async fn input(&mut self) -> Input {
        let input = tokio::time::timeout(PATIENCE, self.inputs.recv()).await;
        input.expect("nothing is said").unwrap()
    }

    async fn connected(&mut self) {
        let input = self.input().await;
        assert!(
            matches!(input, Input::AgentConnected { number: 7, .. }),
            "{input:?}"
        );
    }
}

async fn play(listener: PeerListener, played: Arc<Played>) {
    loop {
        let stream = listener.accept().await.unwrap();
        let agent = Agent(Arc::clone(&played));
        let connection = server_builder(stream)
            .unwrap()
            .serve_at("/org/cloudpolicy/agent1", agent)
            .build()
            .await
            .unwrap();
        tokio::spawn(async move { connection.closed().await });
    }
}

#[tokio::test]
async fn signals_before_the_history_are_kept_and_follow_it() {
    let played = Played {
        sends_first: MANY,
        ..Played::default()
    };
    let mut world = World::new(played, 8).await;
    world.connected().await;
    for expected in 1..=MANY {
        match world.input().await {
            Input::OperationCompleted { record, .. } => assert_eq!(record.call_id, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_agent_that_would_ignore_what_is_run_before_a_start_is_not_asked_to_start() {
    let configure = deployment::Configure::Path("/x".into());
    let asked =
        |start: &mut controller::Operation| start.configure = Some(Box::new(configure.clone()));
    is_asked_only_if_able(asked, "does not run what <configure> says: install").await;
}

#[tokio::test]
async fn an_agent_that_would_take_a_reference_for_a_value_is_not_asked_to_start() {
    let asked = |start: &mut controller::Operation| {
        let place = deployment::GuestSecret::File("/etc/app/password".into());
        start.parameters.insert("password".into(), place.to_value());
    };
    is_asked_only_if_able(
        asked,
        "does not read in its guest what parameters say: install",
    )
    .await;
}

async fn is_asked_only_if_able(asked: impl Fn(&mut controller::Operation), why: &str) {
    for configures in [false, true] {
        let played = Played {
            configures,
            ..Played::default()
        };
        let mut world = World::new(played, 8).await;
        world.connected().await;
        let Call::Execute(mut start) = execute(1) else {
            panic!("an operation");
        };
        start.action = controller::Task::Start;
        let plain = start.clone();
        asked(&mut start);
        let id = start.id.clone();
        world.agents.call(&"web1".into(), Call::Execute(start));
        if !configures {
            let Input::ExecuteRefused {
                id: refused,
                reason,
                ..
            } = world.input().await
            else {
                panic!("it is refused");
            };
            assert_eq!(refused, id);
            assert!(reason.contains(why), "{reason}");
            assert!(!world.played.executed.load(Ordering::Relaxed));
            // Other services are none of that.
            world.agents.call(&"web1".into(), Call::Execute(plain));
        }
        while !world.played.executed.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn the_last_word_of_an_agent_is_heard_after_all_others_and_before_its_end() {
    // Its word and its end come in at once, in any order of notice.
    for _ in 0..30 {
        let played = Played {
            leaves: true,
            ..Played::default()
        };
        let mut world = World::new(played, 8).await;
        world.connected().await;
        world.agents.call(&"web1".into(), execute(1));
        let mut said = Vec::new();
        loop {
            match world.input().await {
                Input::AgentDisconnected { .. } => break,
                Input::AgentLeaving {
                    boot_id, reason, ..
                } => said.push(format!("leaving {boot_id} {reason}")),
                Input::AgentLeft { boot_id, .. } => said.push(format!("left {boot_id}")),
                Input::OperationCompleted { .. } => said.push("completed".into()),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(said.pop().as_deref(), Some("left boot"));
        said.sort();
        assert_eq!(said, ["completed", "leaving boot shutdown"]);
    }
}

#[tokio::test]
async fn the_lease_is_renewed_while_the_agent_takes_no_other_call() {
    let mut world = World::new(Played::default(), 8).await;
    world.connected().await;
    world.played.hangs.store(true, Ordering::Relaxed);
    world.agents.call(&"web1".into(), execute(1));
    for stamp in 1..=1000 {
        world.agents.renew(&"web1".into(), stamp);
    }
    let renewed = async {
        while world.played.renewed.load(Ordering::Relaxed) != 1000 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, renewed).await.unwrap();
}

#[tokio::test]
async fn an_agent_that_takes_no_calls_is_given_up_and_met_again() {
    let mut world = World::new(Played::default(), 8).await;
    world.connected().await;
    world.played.hangs.store(true, Ordering::Relaxed);
    // None of these waits, although nobody takes inputs out meanwhile.
    for number in 0..=u32::try_from(CALLS).unwrap() {
        world.agents.call(&"web1".into(), execute(number));
    }
    match world.input().await {
        Input::AgentDisconnected { reason, .. } => {
            assert!(reason.contains("calls wait"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
    world.connected().await;
    // Nothing is left of the calls to the stream that is gone.
    assert_eq!(world.agents.links["web1"].calls.capacity(), CALLS);
}

#[tokio::test]
async fn a_full_queue_of_inputs_loses_nothing() {
    let played = Played {
        sends_first: MANY,
        ..Played::default()
    };
    let mut world = World::new(played, 1).await;
    world.connected().await;
    // Nobody takes anything out for a while: the stream's task waits.
    tokio::time::sleep(Duration::from_millis(50)).await;
    for _ in 0..MANY {
        let input = world.input().await;
        assert!(
            matches!(input, Input::OperationCompleted { .. }),
            "{input:?}"
        );
    }
}

/// Longer than anything takes here that is not held back.
const WHILE: Duration = Duration::from_millis(500);

#[tokio::test]
async fn no_hello_is_said_without_a_permit() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, permit) = crate::permit::played::permit(folder.path());
    writer.lasts(false);
    let mut world = World::allowed(Played::default(), 8, permit).await;
    tokio::time::sleep(WHILE).await;
    assert!(world.inputs.try_recv().is_err());
    writer.lasts(true);
    world.connected().await;
}

#[tokio::test]
async fn nothing_is_sent_over_a_stream_without_a_permit() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, permit) = crate::permit::played::permit(folder.path());
    let mut world = World::allowed(Played::default(), 8, permit).await;
    world.connected().await;
    let (web1, played) = ("web1".into(), Arc::clone(&world.played));
    let renewed = || played.renewed.load(Ordering::Relaxed);
    let executed = || played.executed.load(Ordering::Relaxed);
    writer.lasts(false);
    world.agents.renew(&web1, 7);
    let execute = Call::Execute(Box::default());
    world.agents.call(&web1, execute);
    let (reply, answer) = oneshot::channel();
    world.agents.ask(&web1, Wants::Administrator(reply), get());
    let Ok(Reply::Refused { text, .. }) = answer.await else {
        panic!("it is not refused");
    };
    assert!(text.contains("may not act now"), "{text}");
    tokio::time::sleep(WHILE).await;
    assert_eq!((renewed(), executed()), (0, false));
    // What was to be done is done; a heartbeat that was not answered is not answered later.
    writer.lasts(true);
    let since = std::time::Instant::now();
    while !executed() {
        assert!(since.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(renewed(), 0);
    world.agents.renew(&web1, 8);
    while renewed() != 8 {
        assert!(since.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_stream_is_kept_until_its_agent_is_released() {
    let mut world = World::new(Played::default(), 8).await;
    world.connected().await;
    world.agents.release(&"web1".into(), true);
    world.agents.disconnect(&"web1".into());
    assert!(!world.agents.are_released());
    assert_eq!(world.agents.next_release().await, Some(()));
    assert!(world.played.released.load(Ordering::Relaxed));
    assert!(world.agents.are_released() && world.agents.leaving.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_acknowledge_its_release_is_let_go() {
    let (sender, _inputs) = mpsc::channel(1);
    let mut agents = Agents::new(
        sender,
        watch::channel(None).1,
        no_credentials(),
        Permit::default(),
    );
    agents.connect(connect_to("web1"));
    let begin = tokio::time::Instant::now();
    agents.release(&"web1".into(), true);
    agents.disconnect(&"web1".into());
    assert_eq!(agents.next_release().await, Some(()));
    assert_eq!(begin.elapsed(), RELEASE_TIMEOUT);
    assert_eq!(agents.next_release().await, None);
}

#[tokio::test]
async fn an_order_to_connect_does_not_take_the_place_of_a_later_one() {
    let (sender, _inputs) = mpsc::channel(1);
    let owner = watch::channel(None).1;
    let mut agents = Agents::new(sender, owner, no_credentials(), Permit::default());
    for (number, present) in [(2, 2), (1, 2), (3, 3)] {
        agents.connect(Connect {
            number,
            ..connect_to("web1")
        });
        assert_eq!(agents.links["web1"].connect.number, present);
    }
}

#[test]
fn a_guest_is_looked_for_less_often_the_longer_it_is_away() {
    for (away_s, times) in [(0, 1), (39, 1), (40, 2), (100, 5), (400, 20), (86_400, 20)] {
        let away = Duration::from_secs(away_s);
        assert_eq!(times_longer(away), times, "{away:?}");
    }
}

#[tokio::test]
async fn a_guest_of_another_deployment_is_told_as_such() {
    let played = Played {
        occupied: true,
        ..Played::default()
    };
    let mut world = World::new(played, 8).await;
    let input = world.input().await;
    assert!(
        matches!(&input, Input::AgentDisconnected { reason, .. } if reason.contains("app1 of bank")),
        "{input:?}"
    );
    let Input::AgentOccupied {
        assembly,
        number,
        occupant,
    } = world.input().await
    else {
        panic!("it is not told to whom the guest belongs");
    };
    assert_eq!((assembly.as_str(), number), ("web1", 7));
    assert_eq!(occupant.machine_id, "m1");
    assert_eq!(
        (occupant.deployment, occupant.assembly),
        ("bank".into(), "app1".into())
    );
}

/// What an administrator asks about a boot.
fn get() -> Box<Question> {
    Box::new(Question::Get {
        place: controller::Place::Boot(controller::Whose::Own),
        name: None,
    })
}

fn asker(number: u64) -> Asker {
    Asker {
        assembly: "web1".into(),
        number,
    }
}

#[tokio::test]
async fn so_many_questions_wait_for_an_agent_and_more_are_refused_at_once() {
    let (sender, _inputs) = mpsc::channel(1);
    let mut agents = Agents::new(
        sender,
        watch::channel(None).1,
        no_credentials(),
        Permit::default(),
    );
    agents.connect(connect_to("web1"));
    let mut waiting = Vec::new();
    for _ in 0..ASKS {
        let (reply, answer) = oneshot::channel();
        agents.ask(&"web1".into(), Wants::Administrator(reply), get());
        waiting.push(answer);
    }
    let (reply, mut answer) = oneshot::channel();
    agents.ask(&"web1".into(), Wants::Administrator(reply), get());
    let refused = answer.try_recv().unwrap();
    let Reply::Refused { why, text } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(why, Why::NotNow);
    assert!(text.contains("8 other questions"), "{text}");
    assert!(waiting.iter_mut().all(|answer| answer.try_recv().is_err()));
    // Its orders have all their places, but for the refusal of a guest's question.
    agents.ask(&"web1".into(), Wants::Guest(asker(1)), get());
    assert_eq!(agents.links["web1"].calls.capacity(), CALLS - 1);
}

#[tokio::test]
async fn so_many_answers_wait_for_an_agent() {
    let (sender, _inputs) = mpsc::channel(1);
    let mut agents = Agents::new(
        sender,
        watch::channel(None).1,
        no_credentials(),
        Permit::default(),
    );
    agents.connect(connect_to("web1"));
    for number in 0..ANSWERS as u64 + 10 {
        agents.answer(&asker(number), Reply::Done);
    }
    assert_eq!(agents.links["web1"].calls.capacity(), CALLS - ANSWERS);
}

#[tokio::test]
async fn an_order_waits_for_no_question_of_others() {
    let mut world = World::new(Played::default(), 8).await;
    world.connected().await;
    // It never answers these.
    for number in 0..4 {
        world
            .agents
            .ask(&"web1".into(), Wants::Guest(asker(number)), get());
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    world.agents.call(&"web1".into(), execute(1));
    let executed = async {
        while !world.played.executed.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let soon = Duration::from_secs(5);
    tokio::time::timeout(soon, executed).await.unwrap();
}

#[tokio::test]
async fn what_an_agent_answers_for_others_is_checked() {
    let mut world = World::new(Played::default(), 8).await;
    world.connected().await;
    let values = |count: usize, name: &str, value: &str| {
        let value = cpe_bus::records::question::Value {
            node: "web9".into(),
            name: name.into(),
            value: value.into(),
        };
        cpe_bus::Reply::Values(vec![value; count])
    };
    for (answer, expected) in [
        (values(1, "a", "LATEST"), None),
        (values(1, "a\u{1b}[2J", "1"), Some("control characters")),
        (values(1, "a", "\u{1b}[2J"), Some("control characters")),
        (values(100, "a", &"x".repeat(4000)), Some("262144")),
        (values(500, "a", &"x".repeat(4000)), Some("1048576")),
    ] {
        *world.played.answer.lock().unwrap() = Some(answer.to_fields());
        world
            .agents
            .ask(&"web1".into(), Wants::Guest(asker(7)), get());
        let Input::Relayed { asker: who, reply } = world.input().await else {
            panic!("nothing is relayed");
        };
        assert_eq!(who, asker(7));
        match (reply, expected) {
            (Reply::Values(values), None) => {
                assert_eq!((&*values[0].node, &*values[0].value), ("web1", "LATEST"));
            }
            (Reply::Refused { why, text }, Some(advice)) => {
                assert_eq!(why, Why::Invalid);
                assert!(text.contains("web1") && text.contains(advice), "{text}");
                assert!(!text.contains(char::is_control), "{text:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn of_a_change_in_a_guest_that_is_answered_oddly_nobody_knows() {
    let mut world = World::new(Played::default(), 8).await;
    world.connected().await;
    let odd = cpe_bus::records::question::Value {
        name: "a\u{1b}[2J".into(),
        ..cpe_bus::records::question::Value::default()
    };
    let odd = cpe_bus::Reply::Values(vec![odd]);
    for (answer, is_known) in [(odd, false), (cpe_bus::Reply::Done, true)] {
        *world.played.answer.lock().unwrap() = Some(answer.to_fields());
        let (reply, told) = oneshot::channel();
        let wants = Wants::Administrator(reply);
        world.agents.ask(&"web1".into(), wants, get());
        assert_eq!(told.await.is_ok(), is_known);
    }
}

#[tokio::test]
async fn few_of_many_questions_that_cannot_be_read_are_answered() {
    let played = Played {
        asks: 1000,
        ..Played::default()
    };
    let mut world = World::new(played, 8).await;
    world.connected().await;
    let mut heard = 0;
    while let Ok(input) = tokio::time::timeout(Duration::from_secs(1), world.inputs.recv()).await {
        assert!(matches!(input, Some(Input::Relayed { .. })), "{input:?}");
        heard += 1;
    }
    // Some in each second that the thousand take.
    assert!((20..500).contains(&heard), "{heard}");
}

#[test]
fn in_each_second_some_questions_that_cannot_be_read_are_answered() {
    let begin = Instant::now();
    let mut unreadable = Unreadable::new(begin);
    let answered = |unreadable: &mut Unreadable, now| {
        let many = (0..100).filter(|_| unreadable.is_answered(now));
        many.count()
    };
    assert_eq!(answered(&mut unreadable, begin), 20);
    let second = Duration::from_secs(1);
    assert_eq!(answered(&mut unreadable, begin + second / 2), 0);
    assert_eq!(answered(&mut unreadable, begin + second), 20);
}

#[test]
fn each_refusal_is_told_once_and_a_guest_cannot_make_up_many() {
    let begin = Instant::now();
    let mut refusals = Refusals::new(begin);
    assert!(refusals.is_new(begin, "revoked"));
    assert!(!refusals.is_new(begin, "revoked"));
    // It has answered in between.
    refusals.forget();
    assert!(refusals.is_new(begin, "revoked"));
    let made_up = (0..100).filter(|n| refusals.is_new(begin, &n.to_string()));
    assert_eq!(made_up.count(), MAX_REFUSALS - 2);
    let later = begin + REFUSALS_COUNTED;
    assert!(!refusals.is_new(later, "revoked"));
    assert!(refusals.is_new(later, "expired"));
}
