//! Facts before effects, without the loop waiting for the disk.
//!
//! The controller's changes are written on a thread of their own, one transaction at a time; those
//! that come in meanwhile go into the next one. An effect waits here until all changes before it
//! are durable. So what is durable is at any time what the controller knew at some moment, and
//! nothing was done that follows from more than that.
//!
//! What needs nothing durable never waits: the renewal of a lease, and what is shown to people. A
//! lease must not end because a disk is slow.
//!
//! A disk that takes no changes ([`Saving::trouble`]) stops everything else: no operation is begun,
//! nothing is fenced, nothing is decided. Agents are still connected to, also by a DPE that starts
//! then: it says Hello with an epoch that is higher than the last one by the clock, hears what runs
//! and renews leases. Those that waited when the trouble began are no exception. Every change is
//! kept, and saved as soon as the disk takes it.
//!
//! But until that is saved, no agent is told a longer lease or grace than this DPE has told it
//! before, or to run without lease: after a crash the next DPE would believe too early that its
//! guest is safe.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use controller::{
    Asker, AssemblyId, Change, Connect, Durable, EVENTS_KEPT, Effect, FenceRequest, Input,
    Reply as Answer, SAVES, UnfenceRequest, Why,
};
use cpe_bus::{Error, Result};
use cpe_daemon::Pauses;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::newest::Newest;
use crate::store::{self, FactStore, Opened, Place};

/// A disk that has not answered by then is one that takes no changes.
const PATIENCE: Duration = Duration::from_secs(1);
/// First pause before a failed write is tried again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause: how late a disk that has room again is noticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Answers to the tools of one guest that may wait: twice as many as its tools may wait for. A tool
/// waits 9 s at most, so that of more nobody hears.
const ANSWERS: usize = 64;

/// Where the outcome of a change goes once it is durable.
pub(crate) type Reply = oneshot::Sender<Result<()>>;

/// What waits for the disk, in order.
#[derive(Debug)]
pub(crate) enum Step {
    /// To be carried out.
    Effect(Effect),
    /// A change that the controller has accepted, to be answered.
    Reply(Reply),
}

/// Why nothing is saved, and since when.
#[derive(Debug, Clone)]
struct Trouble {
    since: Instant,
    reason: String,
}

/// How the disk's state has changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It takes no changes any more, for this reason.
    Failed(String),
    /// It takes changes again.
    Recovered,
}

/// What a write is about.
#[derive(Debug)]
enum Work {
    /// These changes, into the open file.
    Changes(Box<dyn FactStore>, BTreeMap<String, Option<String>>),
    /// Everything, into a file that is opened first.
    All(BTreeMap<String, String>),
}

/// What has become of a write.
#[derive(Debug)]
struct Written {
    store: Option<Box<dyn FactStore>>,
    /// What is left to write.
    left: BTreeMap<String, Option<String>>,
    outcome: anyhow::Result<()>,
}

/// The way to the disk.
#[derive(Debug)]
pub(crate) struct Saving {
    place: Arc<dyn Place>,
    newest: Newest,
    /// The open file; not while a write is under way, and not if it must be opened again.
    store: Option<Box<dyn FactStore>>,
    /// What the file may hold beyond what was read from it at the start.
    complete: bool,
    /// At most one write under way.
    writes: JoinSet<Written>,
    begun: Option<Instant>,
    /// Changes that are in no write yet, by key.
    unsaved: BTreeMap<String, Option<String>>,
    /// Number of the last change.
    last: u64,
    /// The last change that is in the write under way.
    written: u64,
    /// The last change that is durable.
    saved: u64,
    /// What waits, with the change that it waits for.
    waiting: VecDeque<(u64, Step)>,
    events_waiting: usize,
    /// The lease and the grace that each agent was told last, ms.
    told: BTreeMap<AssemblyId, (u32, u32)>,
    pauses: Pauses,
    retry: Option<Instant>,
    trouble: Option<Trouble>,
    news: VecDeque<News>,
}

impl Saving {
    /// Opens the place where the state is saved.
    ///
    /// # Errors
    /// If it belongs to somebody else. A disk that fails is waited for.
    pub(crate) fn open(place: Arc<dyn Place>, newest: Newest) -> anyhow::Result<(Saving, Durable)> {
        let opened = store::open(&*place)?;
        Ok(Saving::new(place, newest, opened))
    }

    /// The way to the disk of a state that was just opened, and what was saved there.
    fn new(place: Arc<dyn Place>, newest: Newest, opened: Opened) -> (Saving, Durable) {
        let durable = opened.durable.compared_with(&newest.read());
        let mut saving = Saving {
            place,
            newest,
            store: None,
            complete: opened.complete,
            writes: JoinSet::new(),
            begun: None,
            unsaved: BTreeMap::new(),
            last: 0,
            written: 0,
            saved: 0,
            waiting: VecDeque::new(),
            events_waiting: 0,
            told: BTreeMap::new(),
            pauses: Pauses::between(SHORTEST_PAUSE, LONGEST_PAUSE),
            retry: None,
            trouble: None,
            news: VecDeque::new(),
        };
        match opened.store {
            Ok(store) => saving.store = Some(store),
            Err(error) => saving.failed(format!("{error:#}")),
        }
        (saving, durable)
    }

    /// Why nothing is saved; `None` while the disk takes changes.
    pub(crate) fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.as_ref()?;
        Some(format!(
            "the state cannot be saved ({}): leases are renewed, but nothing is begun, decided or changed until it can",
            trouble.reason
        ))
    }

    /// What the controller is to hear now. In trouble no question of a tool's: a change could not
    /// be saved, and what is read would wait here with all other answers.
    ///
    /// # Errors
    /// Who asked, and what to answer.
    pub(crate) fn admit(&self, input: Input) -> std::result::Result<Input, (Asker, Answer)> {
        match (input, self.trouble()) {
            (Input::Asked { asker, .. }, Some(text)) => {
                let why = Why::NotNow;
                Err((asker, Answer::Refused { why, text }))
            }
            (input, _) => Ok(input),
        }
    }

    /// Takes the controller's next effect; returns it if it is to be carried out now.
    pub(crate) fn take(&mut self, effect: Effect) -> Option<Effect> {
        let effect = self.take_or_hold(effect)?;
        self.note_told(&effect);
        Some(effect)
    }

    fn take_or_hold(&mut self, effect: Effect) -> Option<Effect> {
        match effect {
            Effect::Persist(changes) => {
                self.last += 1;
                self.unsaved
                    .extend(changes.into_iter().map(|change| (change.key, change.value)));
                None
            }
            // A device that is only looked at is looked at whatever the disk does.
            Effect::Renew { .. }
            | Effect::StatusChanged { .. }
            | Effect::KeepInput { .. }
            | Effect::EndUnfencing { .. }
            | Effect::CheckDevice(_) => Some(effect),
            effect if self.is_all_saved() => Some(effect),
            Effect::Connect(connect) if self.trouble.is_some() && self.may_connect(&connect) => {
                self.forget_orders(&connect.assembly);
                self.forget_connects(&connect);
                Some(Effect::Connect(connect))
            }
            effect => {
                self.hold(Step::Effect(effect));
                None
            }
        }
    }

    /// Answers a change when it is durable.
    pub(crate) fn answer(&mut self, reply: Reply) {
        if self.is_all_saved() {
            let _ = reply.send(Ok(()));
            return;
        }
        self.hold(Step::Reply(reply));
        self.refuse_replies();
    }

    /// Drops what waits to be done by an assembly's agent: its stream ended or began, and the
    /// controller decides again from what the agent reports, and asks.
    pub(crate) fn forget_orders(&mut self, assembly: &AssemblyId) {
        self.waiting.retain(|(_, step)| {
            let Step::Effect(effect) = step else {
                return true;
            };
            match effect {
                Effect::Execute { assembly: of, .. }
                | Effect::Cancel { assembly: of, .. }
                | Effect::Forget { assembly: of, .. }
                | Effect::Relay { assembly: of, .. }
                | Effect::Restart { assembly: of, .. } => of != assembly,
                Effect::Answer { asker, .. } => asker.assembly != *assembly,
                _ => true,
            }
        });
    }

    /// Takes back the fencing of an assembly that still waits: its agent is there again, and its
    /// guest would be hit after that.
    pub(crate) fn withdraw_fencing(&mut self, assembly: &AssemblyId) -> Option<FenceRequest> {
        let is_it = |(_, step): &(u64, Step)| matches!(step, Step::Effect(Effect::Fence(request)) if request.assembly == *assembly);
        let at = self.waiting.iter().position(is_it)?;
        match self.waiting.remove(at)? {
            (_, Step::Effect(Effect::Fence(request))) => Some(request),
            _ => None,
        }
    }

    /// Takes back what is to let an assembly in and still waits: that is to end.
    pub(crate) fn withdraw_unfencing(&mut self, attempt: u64) -> Option<UnfenceRequest> {
        let is_it = |(_, step): &(u64, Step)| matches!(step, Step::Effect(Effect::Unfence(request)) if request.attempt == attempt);
        let at = self.waiting.iter().position(is_it)?;
        match self.waiting.remove(at)? {
            (_, Step::Effect(Effect::Unfence(request))) => Some(request),
            _ => None,
        }
    }

    /// The next step whose changes are durable.
    pub(crate) fn next_step(&mut self) -> Option<Step> {
        let (needs, _) = self.waiting.front()?;
        if *needs > self.saved {
            return None;
        }
        let (_, step) = self.waiting.pop_front()?;
        if let Step::Effect(effect) = &step {
            self.note_told(effect);
            if matches!(effect, Effect::Event(_)) {
                self.events_waiting -= 1;
            }
        }
        Some(step)
    }

    /// What is new about the disk.
    pub(crate) fn next_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// Begins to write what is unsaved, if no write is under way and no pause is to be kept; `all`
    /// gives everything that is to be in the file.
    pub(crate) fn begin(&mut self, all: impl FnOnce() -> BTreeMap<String, String>) {
        let pausing = self.retry.is_some_and(|retry| retry > Instant::now());
        if self.is_all_saved() || !self.writes.is_empty() || pausing {
            return;
        }
        let unsaved = std::mem::take(&mut self.unsaved);
        let work = match self.store.take() {
            Some(store) => Work::Changes(store, unsaved),
            None => Work::All(all()),
        };
        let (place, complete) = (Arc::clone(&self.place), self.complete);
        let newest = self.newest.clone();
        let save = match &work {
            Work::Changes(_, changes) => changes.get(SAVES).cloned().flatten(),
            Work::All(rows) => rows.get(SAVES).cloned(),
        };
        self.written = self.last;
        self.begun = Some(Instant::now());
        self.retry = None;
        self.writes.spawn_blocking(move || {
            let written = write(&*place, complete, work);
            if let (Ok(()), Some(save)) = (&written.outcome, save) {
                newest.note(&save);
            }
            written
        });
    }

    /// Waits for the end of a write, or for the moment to begin one. May be dropped and called
    /// again.
    ///
    /// # Errors
    /// If this process must end: the state belongs to another DPE, or has to be read again.
    pub(crate) async fn turn(&mut self) -> anyhow::Result<()> {
        let due = match (self.begun, self.retry) {
            (Some(begun), _) if self.trouble.is_none() => Some(begun + PATIENCE),
            (None, retry) => retry,
            _ => None,
        };
        let moment = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(written) = self.writes.join_next() => {
                self.take_written(written.context("the thread that saves the state failed")?)
            }
            () = moment => {
                match self.begun {
                    Some(_) => self.failed(format!("{} does not answer", self.place.waits_for())),
                    // Whether anybody begins now or later: it is told once.
                    None => self.retry = None,
                }
                Ok(())
            }
        }
    }

    /// Saves what is unsaved before the process ends, for as long as a disk in order takes.
    pub(crate) async fn finish(&mut self, all: impl Fn() -> BTreeMap<String, String>) {
        while self.trouble.is_none() && !self.is_all_saved() {
            self.begin(&all);
            if self.turn().await.is_err() {
                return;
            }
        }
        if let Some(mut store) = self.store.take() {
            let finished = tokio::task::spawn_blocking(move || store.finish());
            if let Ok(Err(error)) = finished.await {
                tracing::warn!("the last facts are not shared with other hosts: {error:#}");
            }
        }
    }

    fn is_all_saved(&self) -> bool {
        self.saved == self.last
    }

    /// Whether the stream to an assembly's agent is to be given up first.
    fn is_being_left(&self, assembly: &AssemblyId) -> bool {
        self.waiting.iter().any(|(_, step)| {
            matches!(
                step,
                Step::Effect(Effect::Disconnect { assembly: of } | Effect::Release { assembly: of, .. })
                    if of == assembly
            )
        })
    }

    /// Notes what an agent is told by an effect that is carried out now.
    fn note_told(&mut self, effect: &Effect) {
        if let Effect::Connect(connect) = effect {
            let told = (connect.lease_ms, connect.grace_ms);
            self.told.insert(connect.assembly.clone(), told);
        }
    }

    /// Whether an agent may be connected to though nothing is saved: what was saved is known, the
    /// stream to it is not to be given up first, and it is told no longer lease or grace than
    /// before, nor to run without lease.
    fn may_connect(&self, connect: &Connect) -> bool {
        let longer = self
            .told
            .get(&connect.assembly)
            .is_some_and(|(lease_ms, grace_ms)| {
                let ends = *lease_ms > 0;
                let later = connect.lease_ms == 0 || connect.lease_ms > *lease_ms;
                (ends && later) || connect.grace_ms > *grace_ms
            });
        let is_read = self.complete || self.place.connects_unread();
        is_read && !longer && !self.is_being_left(&connect.assembly)
    }

    /// Drops an order to connect to an agent, and earlier ones: one that came out after a later one
    /// would take its stream away, and the agent would refuse it for ever.
    fn forget_connects(&mut self, last: &Connect) {
        self.waiting.retain(|(_, step)| {
            !matches!(step, Step::Effect(Effect::Connect(old))
                if old.assembly == last.assembly && old.number <= last.number)
        });
    }

    /// Trouble has begun: what waits to be connected to need not wait any longer.
    fn release_connects(&mut self) {
        let mut wanted: BTreeMap<AssemblyId, Connect> = BTreeMap::new();
        for (_, step) in &self.waiting {
            if let Step::Effect(Effect::Connect(connect)) = step
                && self.may_connect(connect)
            {
                wanted.insert(connect.assembly.clone(), connect.clone());
            }
        }
        for connect in wanted.into_values() {
            self.forget_orders(&connect.assembly);
            self.forget_connects(&connect);
            // What needs no change that is not saved.
            let step = Step::Effect(Effect::Connect(connect));
            self.waiting.push_front((self.saved, step));
        }
    }

    fn hold(&mut self, step: Step) {
        match &step {
            // Only the latest attempt counts, and only once.
            Step::Effect(Effect::Fence(request)) => self.waiting.retain(|(_, step)| {
                !matches!(step, Step::Effect(Effect::Fence(old)) if old.assembly == request.assembly)
            }),
            Step::Effect(Effect::Event(_)) => self.events_waiting += 1,
            Step::Effect(Effect::Answer { asker, .. }) => self.drop_answers(&asker.assembly),
            _ => {}
        }
        // As the controller drops it from what is saved.
        if self.events_waiting > EVENTS_KEPT {
            let is_event = |(_, step): &(u64, Step)| matches!(step, Step::Effect(Effect::Event(_)));
            if let Some(oldest) = self.waiting.iter().position(is_event) {
                self.waiting.remove(oldest);
                self.events_waiting -= 1;
            }
        }
        self.waiting.push_back((self.last, step));
    }

    /// Makes room for one more answer to a guest: the oldest goes, whose tool has waited longest.
    fn drop_answers(&mut self, assembly: &AssemblyId) {
        let is_one = |(_, step): &(u64, Step)| matches!(step, Step::Effect(Effect::Answer { asker, .. }) if asker.assembly == *assembly);
        if self.waiting.iter().filter(|step| is_one(step)).count() < ANSWERS {
            return;
        }
        if let Some(oldest) = self.waiting.iter().position(is_one) {
            self.waiting.remove(oldest);
        }
    }

    fn take_written(&mut self, written: Written) -> anyhow::Result<()> {
        self.begun = None;
        self.store = written.store;
        let error = match written.outcome {
            Ok(()) => {
                self.complete = true;
                self.saved = self.written;
                self.pauses.reset();
                if let Some(trouble) = self.trouble.take() {
                    tracing::warn!(
                        "the state is saved again, after {} s; everything goes on",
                        trouble.since.elapsed().as_secs()
                    );
                    self.news.push_back(News::Recovered);
                }
                return Ok(());
            }
            Err(error) => error,
        };
        if store::ends_process(&error) {
            return Err(error);
        }
        // What has changed since then is newer than what was to be written.
        let newer = std::mem::replace(&mut self.unsaved, written.left);
        self.unsaved.extend(newer);
        self.retry = Some(Instant::now() + self.pauses.next_pause());
        self.failed(format!("{error:#}"));
        Ok(())
    }

    fn failed(&mut self, reason: String) {
        if self
            .trouble
            .as_ref()
            .is_some_and(|old| old.reason == reason)
        {
            return;
        }
        tracing::error!(
            message_id = "6c2b6fe9a15c4b6ca9ac3c7bd3a0a2a5",
            "the state cannot be saved: {reason}; leases are renewed, but nothing is begun, decided or changed until it can"
        );
        let since = self.trouble.as_ref().map(|old| old.since);
        if since.is_none() {
            self.news.push_back(News::Failed(reason.clone()));
        }
        self.trouble = Some(Trouble {
            since: since.unwrap_or_else(Instant::now),
            reason,
        });
        if since.is_none() {
            self.release_connects();
        }
        self.refuse_replies();
    }

    /// Who asked for a change does not wait for a disk in trouble.
    fn refuse_replies(&mut self) {
        let Some(trouble) = self.trouble() else {
            return;
        };
        let waiting = std::mem::take(&mut self.waiting);
        for (needs, step) in waiting {
            match step {
                Step::Reply(reply) if needs > self.saved => {
                    let text = format!("{trouble}; this change is kept in memory until then");
                    let _ = reply.send(Err(Error::OutcomeUnknown(text)));
                }
                step => self.waiting.push_back((needs, step)),
            }
        }
    }
}

/// Writes, on a thread of its own.
fn write(place: &dyn Place, complete: bool, work: Work) -> Written {
    match work {
        Work::Changes(mut store, changes) => {
            let rows: Vec<Change> = changes
                .iter()
                .map(|(key, value)| Change {
                    key: key.clone(),
                    value: value.clone(),
                })
                .collect();
            match store.write(&rows) {
                Ok(()) => Written {
                    store: Some(store),
                    left: BTreeMap::new(),
                    outcome: Ok(()),
                },
                // Of a full disk nothing else is wrong, nor if only other hosts do not know it yet.
                // Whatever else it is, the file may be gone, damaged or on a disk that was mounted
                // again.
                Err(error) => Written {
                    store: (store::is_full(&error) || store::is_away(&error)).then_some(store),
                    left: changes,
                    outcome: Err(error),
                },
            }
        }
        Work::All(rows) => {
            let left = BTreeMap::new();
            match write_all(place, complete, &rows) {
                Ok(store) => Written {
                    store: Some(store),
                    left,
                    outcome: Ok(()),
                },
                Err(error) => Written {
                    store: None,
                    left,
                    outcome: Err(error),
                },
            }
        }
    }
}

fn write_all(
    place: &dyn Place,
    complete: bool,
    rows: &BTreeMap<String, String>,
) -> anyhow::Result<Box<dyn FactStore>> {
    let (mut store, found) = place.open()?;
    if !complete && found != Durable::default() {
        return Err(place.read_late());
    }
    store.replace(rows)?;
    Ok(store)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use controller::{FenceDevice, Question};

    use super::*;
    use crate::store::Local;

    fn place(directory: impl AsRef<Path>) -> Arc<dyn Place> {
        Arc::new(Local::at(directory.as_ref()))
    }

    /// On a disk that takes nothing, with something unsaved.
    fn in_trouble() -> Saving {
        let opened = Opened {
            durable: Durable::default(),
            complete: true,
            store: Err(anyhow::anyhow!("no disk")),
        };
        let (mut saving, _) = Saving::new(place("/nonexistent"), Newest::default(), opened);
        assert_eq!(saving.take(Effect::Persist(vec![change("a")])), None);
        saving
    }

    fn change(key: &str) -> Change {
        Change {
            key: key.into(),
            value: Some("1".into()),
        }
    }

    fn forget(assembly: &str) -> Effect {
        Effect::Forget {
            assembly: assembly.into(),
            resource: "db".into(),
        }
    }

    fn connect(assembly: &str) -> Effect {
        connect_as(1, assembly, 0)
    }

    fn connect_as(number: u64, assembly: &str, lease_ms: u32) -> Effect {
        Effect::Connect(Connect {
            number,
            assembly: assembly.into(),
            address: None,
            epoch: 1,
            deployment: "shop".into(),
            heartbeat_interval_ms: 1000,
            heartbeat_timeout_ms: 5000,
            lease_ms,
            grace_ms: 5_000,
            stop_timeout_ms: 0,
        })
    }

    fn fence(attempt: u64) -> Effect {
        Effect::Fence(FenceRequest {
            assembly: "web1".into(),
            attempt,
            device: FenceDevice::Unit { unit: "u".into() },
            unit_seen: false,
            reboot: true,
            timeout_ms: 1,
            delay_ms: 0,
        })
    }

    /// What is carried out once everything is saved.
    fn released(saving: &mut Saving) -> Vec<Effect> {
        saving.saved = saving.last;
        std::iter::from_fn(|| saving.next_step())
            .map(|step| match step {
                Step::Effect(effect) => effect,
                Step::Reply(_) => panic!("a reply was kept"),
            })
            .collect()
    }

    #[test]
    fn an_effect_waits_for_the_changes_before_it_and_a_renewal_for_nothing() {
        let mut saving = in_trouble();
        let renew = Effect::Renew {
            assembly: "web1".into(),
            stamp_us: 1,
        };
        assert_eq!(saving.take(renew.clone()), Some(renew));
        assert_eq!(saving.take(forget("web1")), None);
        assert!(saving.next_step().is_none());
        assert_eq!(released(&mut saving), [forget("web1")]);
        assert_eq!(saving.take(forget("web1")), Some(forget("web1")));
    }

    #[test]
    fn what_was_meant_for_a_stream_that_is_gone_is_not_done_later() {
        let mut saving = in_trouble();
        for effect in [forget("web1"), forget("web2"), fence(1), fence(2)] {
            assert_eq!(saving.take(effect), None);
        }
        saving.forget_orders(&"web2".into());
        // And of the attempts at a fencing only the last.
        assert_eq!(released(&mut saving), [forget("web1"), fence(2)]);
    }

    fn asker(assembly: &str, number: u64) -> Asker {
        Asker {
            assembly: assembly.into(),
            number,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_moment_to_write_that_nobody_takes_is_told_once() {
        let mut saving = in_trouble();
        saving.retry = Some(Instant::now());
        saving.turn().await.unwrap();
        // While the permit is over nothing is begun: the loop must not turn for this meanwhile.
        let again = tokio::time::timeout(LONGEST_PAUSE * 2, saving.turn());
        assert!(again.await.is_err());
        saving.begin(BTreeMap::new);
        assert!(saving.begun.is_some(), "it is written when somebody begins");
    }

    #[test]
    fn in_trouble_every_question_of_a_tool_is_refused_at_once() {
        let asked = || Input::Asked {
            asker: asker("web1", 7),
            question: Question::Overview,
        };
        let mut saving = in_trouble();
        let (who, reply) = saving.admit(asked()).unwrap_err();
        assert_eq!(who, asker("web1", 7));
        let Answer::Refused { why, text } = reply else {
            panic!("{reply:?}");
        };
        assert_eq!(why, Why::NotNow);
        assert!(text.contains("no disk"), "{text}");
        assert!(saving.admit(Input::Tick).is_ok());
        saving.trouble = None;
        assert!(saving.admit(asked()).is_ok());
    }

    #[test]
    fn who_asked_for_a_change_that_waits_for_a_disk_hears_that_it_may_still_be_done() {
        let mut saving = in_trouble();
        let (reply, mut answer) = oneshot::channel();
        saving.answer(reply);
        let error = answer.try_recv().unwrap().unwrap_err();
        assert!(error.leaves_it_open(), "{error:?}");
        assert!(error.message().contains("no disk"), "{error:?}");
    }

    #[test]
    fn of_the_answers_to_one_guest_only_the_latest_wait() {
        let answer = |assembly: &str, number| Effect::Answer {
            asker: asker(assembly, number),
            reply: Answer::Done,
        };
        let mut saving = in_trouble();
        saving.take(answer("web2", 0));
        let more = ANSWERS as u64 + 10;
        for number in 0..more {
            saving.take(answer("web1", number));
        }
        let mut expected = vec![answer("web2", 0)];
        expected.extend((10..more).map(|number| answer("web1", number)));
        assert_eq!(released(&mut saving), expected);
    }

    #[test]
    fn an_answer_waits_for_what_it_says_and_goes_with_its_stream() {
        let answer = |assembly: &str| Effect::Answer {
            asker: asker(assembly, 7),
            reply: Answer::Done,
        };
        let mut saving = in_trouble();
        for assembly in ["web1", "web2"] {
            assert_eq!(saving.take(answer(assembly)), None);
        }
        saving.forget_orders(&"web1".into());
        assert!(saving.next_step().is_none());
        assert_eq!(released(&mut saving), [answer("web2")]);
    }

    #[test]
    fn a_fencing_outlives_the_stream_and_is_taken_back_when_the_agent_is_there_again() {
        let mut saving = in_trouble();
        for effect in [forget("web1"), fence(1)] {
            assert_eq!(saving.take(effect), None);
        }
        saving.forget_orders(&"web1".into());
        assert_eq!(saving.withdraw_fencing(&"web2".into()), None);
        let withdrawn = saving.withdraw_fencing(&"web1".into());
        assert_eq!(withdrawn.map(|request| request.attempt), Some(1));
        assert_eq!(released(&mut saving), []);
    }

    #[test]
    fn what_lets_in_is_taken_back_while_it_waits_for_the_disk() {
        let mut saving = in_trouble();
        let request = UnfenceRequest {
            assembly: "web1".into(),
            attempt: 3,
            devices: Vec::new(),
            timeout_ms: 1_000,
        };
        let effect = Effect::Unfence(request.clone());
        assert_eq!(saving.take(effect), None);
        assert_eq!(saving.withdraw_unfencing(2), None);
        assert_eq!(saving.withdraw_unfencing(3), Some(request));
        assert_eq!(released(&mut saving), []);
        let assembly = "web1".into();
        let end = Effect::EndUnfencing {
            assembly,
            attempt: 3,
        };
        assert_eq!(saving.take(end.clone()), Some(end), "it waits for nothing");
    }

    #[test]
    fn agents_are_connected_to_in_trouble_but_not_before_they_are_left() {
        let mut saving = in_trouble();
        saving.take(forget("web1"));
        assert_eq!(saving.take(connect("web1")), Some(connect("web1")));
        let leave = Effect::Disconnect {
            assembly: "web1".into(),
        };
        assert_eq!(saving.take(leave.clone()), None);
        assert_eq!(saving.take(connect("web1")), None);
        assert_eq!(released(&mut saving), [leave, connect("web1")]);
    }

    /// On a disk that is slow, with something unsaved.
    fn waiting_for_the_disk() -> Saving {
        let mut saving = in_trouble();
        saving.trouble = None;
        saving
    }

    #[test]
    fn an_order_to_connect_does_not_come_out_after_a_later_one() {
        let mut saving = waiting_for_the_disk();
        assert_eq!(saving.take(connect_as(1, "web1", 0)), None);
        assert_eq!(saving.take(connect_as(1, "web2", 0)), None);
        saving.failed("no room".into());
        let later = connect_as(2, "web1", 0);
        assert_eq!(saving.take(later.clone()), Some(later));
        assert_eq!(released(&mut saving), [connect_as(1, "web2", 0)]);
    }

    #[test]
    fn what_waits_to_be_connected_to_is_connected_to_when_trouble_begins() {
        let mut saving = waiting_for_the_disk();
        let leave = Effect::Disconnect {
            assembly: "web2".into(),
        };
        for effect in [
            forget("web1"),
            connect_as(1, "web1", 0),
            leave.clone(),
            connect_as(2, "web2", 0),
            connect_as(3, "web1", 0),
        ] {
            assert_eq!(saving.take(effect), None);
        }
        assert!(saving.next_step().is_none());
        saving.failed("no room".into());
        let Some(Step::Effect(first)) = saving.next_step() else {
            panic!("it waits on");
        };
        assert_eq!(first, connect_as(3, "web1", 0));
        assert!(saving.next_step().is_none(), "web2 is to be left first");
        assert_eq!(released(&mut saving), [leave, connect_as(2, "web2", 0)]);
    }

    #[test]
    fn no_agent_is_told_a_longer_lease_before_that_is_saved() {
        let mut saving = waiting_for_the_disk();
        saving.saved = saving.last;
        let first = connect_as(1, "web1", 10_000);
        assert_eq!(saving.take(first.clone()), Some(first));
        saving.take(Effect::Persist(vec![change("assembly/web1")]));
        let longer = connect_as(2, "web1", 60_000);
        assert_eq!(saving.take(longer.clone()), None);
        saving.failed("no room".into());
        assert!(saving.next_step().is_none());
        let none = connect_as(3, "web1", 0);
        assert_eq!(saving.take(none.clone()), None);
        // One that is not longer takes the place of those.
        let shorter = connect_as(4, "web1", 5_000);
        assert_eq!(saving.take(shorter.clone()), Some(shorter));
        assert_eq!(saving.take(longer.clone()), None);
        assert_eq!(released(&mut saving), [longer]);
    }

    #[tokio::test]
    async fn who_asks_for_a_change_hears_of_the_trouble_at_once() {
        let mut saving = in_trouble();
        let (reply, answer) = oneshot::channel();
        saving.answer(reply);
        let error = answer.await.unwrap().unwrap_err();
        assert!(error.message().contains("no disk"), "{error:?}");
        assert!(matches!(saving.next_news(), Some(News::Failed(_))));
        assert_eq!(saving.next_news(), None);
    }

    #[tokio::test]
    async fn changes_are_saved_in_order_and_those_that_came_meanwhile_with_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        let opened = store::open(&*place).unwrap();
        let (mut saving, _) = Saving::new(Arc::clone(&place), Newest::default(), opened);
        let nothing = || panic!("the file is open");
        for _ in 0..3 {
            saving.take(Effect::Persist(vec![change("epoch")]));
            saving.take(forget("web1"));
            saving.begin(nothing);
        }
        saving.turn().await.unwrap();
        assert!(saving.next_step().is_some());
        assert!(saving.next_step().is_none(), "it is in no write yet");
        saving.finish(nothing).await;
        assert!(saving.next_step().is_some() && saving.next_step().is_some());
        drop(saving);
        assert_eq!(store::open(&*place).unwrap().durable.epoch(), 1);
    }
}
