//! The simulation's model of a guest agent by itself: a test is its DPE, and can say the same to a
//! real agent.

use controller::{Operation, Record, Task};
use sim_kit::{MS, Random, SECOND};

use crate::network::{HelloCall, Stream, ToAgent, ToDpe};
use crate::options::Options;
use crate::queue::SimEvent;
use crate::scenario::{Mode, Scenario};
use crate::world::World;

/// Any message arrives within this time, µs.
const DELIVERY_US: u64 = 10 * MS;

/// A guest with an agent, without a DPE.
pub struct AgentModel {
    world: World,
    /// Streams made so far, which is the number of the newest.
    streams: u64,
    /// The stream on which the agent obeys.
    stream: u64,
    epoch: u64,
    /// What was said of its end since that was asked for last.
    words: Vec<Word>,
}

/// What a Hello is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The agent obeys.
    Welcome,
    /// A newer DPE is known.
    Stale,
    /// Not now.
    Busy,
    /// The guest is another's.
    Occupied,
}

/// What an agent says to a DPE of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Services are to be stopped.
    Leaving,
    /// Nothing runs any more.
    Left,
}

impl AgentModel {
    /// A guest that has just booted.
    pub fn new(seed: u64) -> AgentModel {
        let scenario = Scenario::plain(1, 0, Mode::Lease);
        AgentModel {
            world: World::without_dpe(scenario, Random::new(seed), Options::default()),
            streams: 0,
            stream: 0,
            epoch: 0,
            words: Vec::new(),
        }
    }

    /// Connects and says Hello. A lease of 0 ms is none.
    pub fn hello(&mut self, epoch: u64, lease_ms: u32, grace_ms: u32) -> Answer {
        self.hello_as("node1", epoch, lease_ms, grace_ms)
    }

    /// The same for another assembly.
    pub fn hello_as(&mut self, assembly: &str, epoch: u64, lease_ms: u32, grace_ms: u32) -> Answer {
        self.streams += 1;
        let now_us = self.world.now_us;
        let stream = Stream {
            assembly: assembly.into(),
            number: 0,
            epoch,
            guest: 0,
            start: 0,
            open: true,
            drains: false,
            welcomed: false,
            leaving: false,
            last_to_agent_us: now_us,
            last_to_dpe_us: now_us,
        };
        self.world.streams.insert(self.streams, stream);
        let hello = HelloCall {
            epoch,
            assembly: assembly.into(),
            heartbeat_us: 50 * MS,
            lease_us: u64::from(lease_ms) * MS,
            grace_us: u64::from(grace_ms) * MS,
        };
        let event = SimEvent::ToAgent(self.streams, ToAgent::Hello(hello));
        self.world.after(0, event);
        let answers = self.answers(DELIVERY_US);
        for answer in answers {
            match answer {
                ToDpe::Welcome(..) => {
                    (self.epoch, self.stream) = (epoch, self.streams);
                    return Answer::Welcome;
                }
                ToDpe::Stale(_) => return Answer::Stale,
                ToDpe::Busy => return Answer::Busy,
                ToDpe::Occupied => return Answer::Occupied,
                _ => {}
            }
        }
        Answer::Busy
    }

    /// Has an operation done; gives the completions that come within that virtual time.
    pub fn execute(&mut self, epoch: u64, operation: Operation, within_s: u64) -> Vec<Record> {
        let operation = Box::new(operation);
        let answers = self.say(ToAgent::Execute { epoch, operation }, within_s * SECOND);
        answers.into_iter().filter_map(completion).collect()
    }

    /// Has an operation done while the programs of resource agents are away.
    pub fn execute_without_program(
        &mut self,
        epoch: u64,
        operation: Operation,
        within_s: u64,
    ) -> Vec<Record> {
        self.world.guests[0].programs_away_until_us = u64::MAX;
        let completions = self.execute(epoch, operation, within_s);
        self.world.guests[0].programs_away_until_us = 0;
        completions
    }

    /// Ends a recurring operation; gives the completions that come.
    pub fn cancel(&mut self, resource: &str, action: Task, interval_ms: u32) -> Vec<Record> {
        let cancel = ToAgent::Cancel {
            epoch: self.epoch,
            resource: resource.to_owned(),
            action,
            interval_ms,
        };
        let answers = self.say(cancel, SECOND);
        answers.into_iter().filter_map(completion).collect()
    }

    /// Has the agent forget a resource.
    pub fn forget(&mut self, resource: &str) {
        let (epoch, resource) = (self.epoch, resource.to_owned());
        self.say(ToAgent::Forget { epoch, resource }, SECOND);
    }

    /// Its DPE has gone.
    pub fn disconnect(&mut self) {
        if let Some(stream) = self.world.streams.get_mut(&self.stream) {
            stream.open = false;
        }
        self.world.guests[0].agent.connection = None;
    }

    /// Renews the lease for that virtual time.
    pub fn renew_for(&mut self, ms: u64) {
        let until_us = self.world.now_us + ms * MS;
        while self.world.now_us < until_us {
            for answer in self.answers(DELIVERY_US) {
                if let ToDpe::Heartbeat(stamp_us) = answer {
                    let epoch = self.epoch;
                    let renew = ToAgent::Renew { epoch, stamp_us };
                    let event = SimEvent::ToAgent(self.stream, renew);
                    self.world.after(0, event);
                }
            }
        }
    }

    /// A lease is given and not renewed, while the programs of resource agents are away or not.
    /// `true`: the guest was reset.
    pub fn lapse(&mut self, blind: bool, lease_ms: u32, grace_ms: u32, within_s: u64) -> bool {
        let boot = self.world.guests[0].boot;
        let until_us = if blind { u64::MAX } else { 0 };
        self.world.guests[0].programs_away_until_us = until_us;
        self.hello(self.epoch, lease_ms, grace_ms);
        self.wait(within_s);
        self.world.guests[0].programs_away_until_us = 0;
        self.world.guests[0].boot > boot
    }

    /// Nothing can be written where the agent keeps its state, from now on or no more.
    pub fn fill_run(&mut self, full: bool) {
        self.world.guests[0].full_until_us = if full { u64::MAX } else { 0 };
    }

    /// The guest is shut down, and its DPE stops these services; gives the completions that come
    /// until it has booted again.
    pub fn shut_down(&mut self, stops: Vec<Operation>, within_s: u64) -> Vec<Record> {
        self.words.clear();
        self.world.shut_down(0);
        let answers = self.answers(DELIVERY_US);
        let mut completions: Vec<Record> = answers.into_iter().filter_map(completion).collect();
        for stop in stops {
            completions.extend(self.execute(self.epoch, stop, 1));
        }
        completions.extend(self.wait(within_s));
        completions
    }

    /// What it has said of its end since it was shut down.
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// Its power is cut, and it boots again within that virtual time.
    pub fn power_cut(&mut self, within_s: u64) {
        self.world.power_cycle(0);
        self.wait(within_s);
    }

    /// Services that may run, as far as it knows.
    pub fn may_run(&self) -> Vec<String> {
        self.world.guests[0].agent.may_run().into_iter().collect()
    }

    /// Releases the agent.
    pub fn release(&mut self, keep: bool) {
        let epoch = self.epoch;
        self.say(ToAgent::Release { epoch, keep }, SECOND);
    }

    /// The processes of a service die; gives the completions that come within that virtual time.
    pub fn kill_service(&mut self, service: &str, within_s: u64) -> Vec<Record> {
        self.world.guests[0].process_ends(service);
        self.wait(within_s)
    }

    /// The agent's process is killed, and started again.
    pub fn restart_agent(&mut self) {
        self.world.agent_dies(0);
        self.wait(1);
    }

    /// Lets virtual time pass; gives the completions that come.
    pub fn wait(&mut self, seconds: u64) -> Vec<Record> {
        let answers = self.answers(seconds * SECOND);
        answers.into_iter().filter_map(completion).collect()
    }

    /// What the agent answers to History.
    pub fn history(&self) -> Vec<Record> {
        self.world.guests[0].agent.history()
    }

    /// How often a script that was run before a service has ended well.
    pub fn scripts_run(&self) -> usize {
        self.world.guests[0].scripts_run
    }

    /// Services whose processes run.
    pub fn running(&self) -> Vec<String> {
        self.world.guests[0].running.iter().cloned().collect()
    }

    fn say(&mut self, message: ToAgent, for_us: u64) -> Vec<ToDpe> {
        let event = SimEvent::ToAgent(self.stream, message);
        self.world.after(0, event);
        self.answers(for_us)
    }

    /// What the agent sends to its DPE within that time.
    fn answers(&mut self, for_us: u64) -> Vec<ToDpe> {
        let until_us = self.world.now_us + for_us;
        let mut answers = Vec::new();
        while let Some(event) = self.world.next_event(until_us) {
            match event {
                SimEvent::ToDpe(stream, message)
                    if stream == self.stream || stream == self.streams =>
                {
                    match &message {
                        ToDpe::Leaving(_) => self.words.push(Word::Leaving),
                        ToDpe::Left(_) => self.words.push(Word::Left),
                        _ => {}
                    }
                    answers.push(message);
                }
                SimEvent::ToDpe(..) | SimEvent::Closed(_) => {}
                event => self.world.dispatch(event),
            }
        }
        self.world.now_us = until_us;
        answers
    }
}

fn completion(message: ToDpe) -> Option<Record> {
    match message {
        ToDpe::Completed(record) => Some(*record),
        _ => None,
    }
}
