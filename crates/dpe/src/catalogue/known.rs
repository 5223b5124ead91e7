//! What guests have said of their agents, kept for a while: by guest's boot, since an installation
//! may be another one afterwards, and not for long, since it may be another one without.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cpe_bus::peer::Meter;
use cpe_status::ResourceAgent;
use deployment::{Agent, Answer};
use tokio::time::Instant;

/// How long an answer is taken for the present one.
const KEPT: Duration = Duration::from_secs(300);
/// What is kept of all agents, in bytes: beyond it, all is forgotten. Agents of a distribution have
/// a few kB each.
const MAX_WEIGHT: usize = 16 << 20;
/// Answers that are kept.
const MAX_ANSWERS: usize = 20_000;
/// Longest message of a guest, in bytes: an agent's metadata of 1 MiB fits, and a list of 4096
/// agents.
const LONGEST_MESSAGE: u64 = 2 << 20;

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    answers: HashMap<(String, Agent), Kept>,
    weight: usize,
    meters: HashMap<String, Meter>,
}

#[derive(Debug)]
struct Kept {
    boot_id: String,
    until: Instant,
    answer: Answer,
}

impl Known {
    /// How much a guest may send, over all connections.
    pub(super) fn meter(&self, assembly: &str) -> Meter {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let meters = &mut state.meters;
        if meters.len() > MAX_ANSWERS {
            meters.clear();
        }
        let meter = meters.entry(assembly.to_owned());
        let new = || Meter::with_longest(LONGEST_MESSAGE);
        meter.or_insert_with(new).clone()
    }

    /// What an agent has said in this boot of the guest.
    pub(super) fn get(&self, assembly: &str, boot_id: &str, agent: &Agent) -> Option<Answer> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = state.answers.get(&(assembly.to_owned(), agent.clone()))?;
        let is_valid = kept.boot_id == boot_id && Instant::now() < kept.until;
        is_valid.then(|| kept.answer.clone())
    }

    /// Keeps an answer, and gives it back: the same one, where another guest has said the same.
    pub(super) fn put(
        &self,
        assembly: &str,
        boot_id: &str,
        agent: &Agent,
        answer: Answer,
    ) -> Answer {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = state.answers.iter();
        let same = same.filter(|((_, other), _)| other == agent);
        let same = same.map(|(_, kept)| &kept.answer).find(|it| **it == answer);
        let answer = match same {
            Some(same) => same.clone(),
            None => {
                state.weight += weight(&answer);
                answer
            }
        };
        if state.weight > MAX_WEIGHT || state.answers.len() >= MAX_ANSWERS {
            state.answers.clear();
            state.weight = weight(&answer);
        }
        let kept = Kept {
            boot_id: boot_id.to_owned(),
            until: Instant::now() + KEPT,
            answer: answer.clone(),
        };
        state
            .answers
            .insert((assembly.to_owned(), agent.clone()), kept);
        answer
    }
}

/// About what an answer takes in memory, in bytes.
pub(super) fn weight(answer: &Answer) -> usize {
    match answer {
        Answer::Absent => 0,
        Answer::Described(agent) => weight_of(agent),
    }
}

fn weight_of(agent: &Arc<ResourceAgent>) -> usize {
    let parameters = agent.parameters.iter().map(|it| {
        let lists = it.options.iter().chain(&it.replaced_with);
        let lists: usize = lists.map(|text| 24 + text.len()).sum();
        let texts = it.name.len() + it.kind.len() + it.short.len() + it.long.len();
        256 + texts + lists + it.default.as_ref().map_or(0, String::len)
    });
    let actions = agent.actions.iter().map(|it| 128 + it.name.len());
    let texts = agent.long.len() + agent.short.len() + agent.version.len();
    256 + texts + parameters.chain(actions).sum::<usize>()
}
