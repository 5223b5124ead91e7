//! Tools in guests that ask for what concerns the whole deployment: what they were told must be so.
//!
//! Each name has one writer, a tool of one guest, which writes one value after the other. So of
//! each it is known what it may be: the last value that was acknowledged, and what was asked for
//! since and never answered. What is durable must be one of these at any time. A guest's own value
//! is that of the assembly that it is when the DPE takes the question.

use std::collections::BTreeMap;

use controller::{Asker, Change, Holder, Keeping, Place, Question, Reply, Value, Whose, Why};
use sim_kit::{Random, SECOND};

use crate::checker::{Kept, is_owner_in};
use crate::faults::Fault;
use crate::guest::Waiting;
use crate::network::ToDpe;
use crate::queue::SimEvent;
use crate::world::World;

/// A tool waits so long for an answer, µs.
const PATIENCE_US: u64 = 9 * SECOND;
/// A tool that sets values all the time sets one in this time, µs.
const CHATTER_US: u64 = SECOND / 20;

impl World {
    /// Makes up tools that ask at bad times.
    pub fn plan_questions(&mut self, mut random: Random) {
        for count in 0..random.between(8, 40) {
            let at_us = random.between(2 * SECOND, self.faults_until_us);
            let guest = random.index(self.guests.len());
            let other = random.index(self.scenario.assemblies.len());
            let other = Whose::Of(self.scenario.assemblies[other].name.as_str().into());
            let place = match random.index(5) {
                0 => Place::Deployment,
                1 => Place::Boot(other),
                2 => Place::Assembly(other),
                _ => Place::Assembly(Whose::Own),
            };
            let writer = random.index(self.guests.len());
            let question = match random.index(4) {
                0 => Question::Get {
                    place,
                    name: Some(format!("tool-{writer}")),
                },
                what => Question::Put {
                    place,
                    name: format!("tool-{guest}"),
                    value: (what > 1).then(|| count.to_string()),
                    keeping: Keeping::default(),
                },
            };
            self.at(at_us, SimEvent::Fault(Fault::Ask(guest, question)));
        }
    }

    /// Makes up tools that set values all the time.
    pub fn plan_chatter(&mut self, mut random: Random) {
        for _ in 0..random.between(1, 3) {
            let guest = random.index(self.guests.len());
            let at_us = random.between(2 * SECOND, self.faults_until_us);
            let for_us = random.between(SECOND, 90 * SECOND);
            self.at(at_us, SimEvent::Fault(Fault::Chatter(guest, for_us)));
        }
    }

    /// A tool of a guest sets a value of its boot and a permanent one, and again soon.
    pub(crate) fn chatter(&mut self, guest: usize, until_us: u64) {
        if self.peaceful || self.now_us >= until_us {
            return;
        }
        self.after(CHATTER_US, SimEvent::Chatter(guest, until_us));
        let own = &self.guests[guest];
        if own.awake() && !own.foreign && own.agent.assembly.is_some() {
            let (name, value) = (format!("chatter-{guest}"), self.now_us.to_string());
            self.set_attribute(guest, &name, Some(&value), 0);
            let question = Question::Put {
                place: Place::Assembly(Whose::Own),
                name,
                value: Some(value),
                keeping: Keeping::default(),
            };
            self.ask_in(guest, question);
        }
    }

    /// A tool of a guest asks something now.
    pub fn ask_in(&mut self, guest: usize, question: Question) {
        let own = &self.guests[guest];
        // A guest that belongs to no deployment has nobody to ask.
        if !own.awake() || own.foreign || own.agent.assembly.is_none() {
            return;
        }
        let row = self.row(guest, &question);
        let writes = question.is_change();
        let mut waiting = own.agent.asked.values();
        // One writes one value after the other.
        if writes && waiting.any(|known| known.row.as_ref().map(|it| &it.0) == row.as_ref()) {
            return;
        }
        self.tokens += 1;
        let number = self.tokens;
        let row = row.and_then(|row| self.note_asked(row, number, &question));
        let waiting = Waiting {
            question: question.clone(),
            since_us: self.now_us,
            losses: self.shell.losses,
            row,
        };
        let agent = &mut self.guests[guest].agent;
        agent.asked.insert(number, waiting);
        if let Some(stream) = agent.connection {
            self.post_to_dpe(stream, ToDpe::Asked(number, question));
        }
    }

    /// Notes that a row is about to be written or read. Gives it, if anything will be known of what
    /// the answer says, and how often it was written.
    fn note_asked(
        &mut self,
        row: String,
        number: u64,
        question: &Question,
    ) -> Option<(String, u64)> {
        let lost = self.checker.state_lost;
        let kept = self.checker.kept.entry(row.clone());
        let kept = kept.or_insert_with(|| Kept::new(lost));
        if let Question::Put { value, .. } = question {
            kept.begin(number, value.clone());
            return Some((row, kept.version()));
        }
        (!kept.is_open()).then(|| (row, kept.version()))
    }

    /// A guest may be another assembly than when its tools have asked. Its own values are then
    /// those of the assembly that it is when it asks again. Those of the other one may have been
    /// written before.
    fn note_asked_again(&mut self, guest: usize) {
        let waiting = std::mem::take(&mut self.guests[guest].agent.asked);
        let mut again = BTreeMap::new();
        for (number, mut own) in waiting {
            let row = self.row(guest, &own.question);
            let before = own.row.as_ref().map(|(row, _)| row);
            if let (Some(before), Some(row)) = (before, row)
                && *before != row
            {
                if let Some(kept) = self.checker.kept.get_mut(before) {
                    kept.end(number);
                }
                own.row = self.note_asked(row, number, &own.question);
            }
            again.insert(number, own);
        }
        self.guests[guest].agent.asked = again;
    }

    /// What was not answered over the former stream is asked again.
    pub(crate) fn ask_again_over(&mut self, guest: usize, stream: u64) {
        let now_us = self.now_us;
        let asked = &mut self.guests[guest].agent.asked;
        let (gone, waiting) = std::mem::take(asked)
            .into_iter()
            .partition(|(_, own)| own.since_us + PATIENCE_US < now_us);
        *asked = waiting;
        let again: Vec<(u64, Question)> = asked
            .iter()
            .map(|(number, own)| (*number, own.question.clone()))
            .collect();
        self.gave_up(gone);
        self.note_asked_again(guest);
        for (number, question) in again {
            self.post_to_dpe(stream, ToDpe::Asked(number, question));
        }
    }

    /// Tools that wait no longer: what became of what they wanted, nobody knows.
    pub(crate) fn gave_up(&mut self, gone: BTreeMap<u64, Waiting>) {
        for (number, waiting) in gone {
            let row = waiting.row.map(|(row, _)| row);
            if let Some(kept) = row.and_then(|row| self.checker.kept.get_mut(&row)) {
                kept.end(number);
            }
        }
    }

    /// The answer of the DPE.
    pub(crate) fn answered(&mut self, guest: usize, number: u64, reply: Reply) {
        let Some(waiting) = self.guests[guest].agent.asked.remove(&number) else {
            return;
        };
        self.say(|| format!("node {guest}: answered {:?}: {reply:?}", waiting.question));
        let in_time = self.now_us <= waiting.since_us + PATIENCE_US;
        let Some((row, version)) = waiting.row else {
            return;
        };
        let lost = waiting.losses != self.shell.losses;
        let Some(kept) = self.checker.kept.get_mut(&row) else {
            return;
        };
        match (waiting.question, reply) {
            (Question::Put { value, .. }, reply) => {
                kept.end(number);
                if reply == Reply::Done && in_time {
                    if lost {
                        kept.anything();
                    } else {
                        kept.is(value.clone());
                        self.check_durable(&row, value);
                    }
                }
            }
            (Question::Get { .. }, Reply::Values(values)) if version == kept.version() && !lost => {
                let value = values.into_iter().next().map(|known| known.value);
                if version > 0 && !kept.may_be(&value) {
                    let text = format!("{row} reads as {value:?}, and may be {kept:?}");
                    self.violated(text);
                }
            }
            _ => {}
        }
    }

    /// What a tool was told is done must be on disk.
    fn check_durable(&mut self, row: &str, value: Option<String>) {
        if self.is_forgotten_with_its_owner(row) {
            return;
        }
        let saved = self.shell.table.get(row).map(|saved| of_row(saved));
        // Another value that the guest's tool asked for under its former name may be there already.
        let kept = self.checker.kept.get(row);
        if !kept.is_some_and(|kept| kept.may_be(&saved)) {
            let text = format!("{row} was acknowledged as {value:?}, and {saved:?} is saved");
            self.violated(text);
        }
    }

    /// The document does not name the assembly, or there is none any more.
    fn is_forgotten_with_its_owner(&self, row: &str) -> bool {
        let controller = self.shell.controller.as_ref();
        let Some((document, _)) = controller.and_then(|own| own.document()) else {
            return true;
        };
        !is_owner_in(document, row)
    }

    /// A row is written: it must be what somebody asked for.
    pub(crate) fn check_kept(&mut self, change: &Change) {
        let Some(kept) = self.checker.kept.get_mut(&change.key) else {
            return;
        };
        let value = change.value.as_deref().map(of_row);
        if kept.may_be(&value) {
            return;
        }
        kept.anything();
        if value.is_some() || !self.is_forgotten_with_its_owner(&change.key) {
            self.violated(format!("{} becomes {value:?}, unasked", change.key));
        }
    }

    /// The DPE's state is another one: nothing is known of what is kept.
    pub(crate) fn forget_kept(&mut self) {
        self.shell.losses += 1;
        for kept in self.checker.kept.values_mut() {
            kept.anything();
        }
    }

    /// Another guest wants something of this one's boot.
    pub(crate) fn asked_for_another(
        &mut self,
        guest: usize,
        stream: u64,
        asker: Asker,
        question: Question,
    ) {
        let reply = match question {
            Question::Put { name, value, .. } => {
                self.set_attribute(guest, &name, value.as_deref(), 0);
                Reply::Done
            }
            Question::Get {
                name: Some(name), ..
            } => {
                let known = &self.guests[guest].agent.attributes.values;
                let value = known.get(&name).map(|known| Value {
                    node: self.guests[guest].name.clone(),
                    name,
                    value: known.value.clone(),
                });
                Reply::Values(value.into_iter().collect())
            }
            _ => Reply::Refused {
                why: Why::Invalid,
                text: "that is not asked here".into(),
            },
        };
        self.post_to_dpe(stream, ToDpe::Relayed(asker, reply));
    }

    /// The row that a question is about, if it is one.
    fn row(&self, guest: usize, question: &Question) -> Option<String> {
        let (Question::Put { place, name, .. }
        | Question::Get {
            place,
            name: Some(name),
        }) = question
        else {
            return None;
        };
        let holder = match place {
            Place::Deployment => Holder::Deployment,
            Place::Assembly(Whose::Of(other)) => Holder::Assembly(other.clone()),
            Place::Assembly(Whose::Own) => {
                Holder::Assembly(self.guests[guest].agent.assembly.clone()?)
            }
            Place::Boot(_) | Place::EveryBoot => return None,
        };
        Some(match holder {
            Holder::Deployment => format!("option/{name}"),
            Holder::Assembly(assembly) => format!("attribute/{assembly}/{name}"),
        })
    }
}

/// The value in a row.
fn of_row(row: &str) -> String {
    let (_, rest) = row.split_once("\"value\":\"").unwrap_or_default();
    rest.split('"').next().unwrap_or_default().to_owned()
}
