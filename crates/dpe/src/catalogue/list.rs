//! Which agents the guests of a deployment have.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cpe_status::{AgentEntry, AgentList, Unasked};
use deployment::{Agent, Answer, Deployment};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Catalogue, LOOK_TIME, Said, in_order, parse};

/// Agents that are listed.
const MAX_AGENTS: usize = 8_192;
/// Agents times guests that have them.
const MAX_PAIRS: usize = 200_000;

impl Catalogue {
    /// The agents of the guests, and what each of them is for, as far as there is time.
    pub(crate) async fn list(&self, deployment: &Deployment, class: &str) -> AgentList {
        let deadline = Instant::now() + LOOK_TIME;
        let mut found = AgentList {
            deployment: self.deployment.clone(),
            ..AgentList::default()
        };
        let mut unasked = Vec::new();
        // By name: where each is.
        let mut agents: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut pairs = 0;
        for (at, listed) in self.lists(deployment, class, deadline).await {
            let assembly = &deployment.assemblies[at].name;
            let (names, mut more) = match listed {
                Ok(listed) => listed,
                Err(reason) => {
                    unasked.push(Unasked {
                        assembly: assembly.clone(),
                        agent: String::new(),
                        reason,
                    });
                    continue;
                }
            };
            // A guest may call anything an agent.
            for name in names.into_iter().filter(|name| parse(name).is_ok()) {
                if pairs == MAX_PAIRS || (agents.len() == MAX_AGENTS && !agents.contains_key(&name))
                {
                    more = true;
                    continue;
                }
                let places = agents.entry(name).or_default();
                if places.last() != Some(&at) {
                    places.push(at);
                    pairs += 1;
                }
            }
            if more {
                found.cut_off.push(assembly.clone());
            }
        }
        found.cut_off.sort();
        let details = self.details(deployment, &agents, deadline).await;
        found.agents = entries(deployment, agents, &details);
        found.unasked = in_order(unasked);
        found
    }

    /// Each guest's list, by its place in the document.
    async fn lists(&self, deployment: &Deployment, class: &str, deadline: Instant) -> Vec<Listed> {
        let mut conversations = JoinSet::new();
        for (at, assembly) in deployment.assemblies.iter().enumerate() {
            let guest = self.guest(assembly, deadline);
            let (places, class) = (Arc::clone(&self.places), class.to_owned());
            conversations.spawn(async move {
                let place = tokio::time::timeout_at(deadline, places.acquire_owned()).await;
                let listed = match place {
                    Ok(_place) => guest.list(&class).await,
                    Err(_) => Err("there was no time left to ask it".to_owned()),
                };
                (at, listed)
            });
        }
        let mut lists = Vec::new();
        while let Some(one) = conversations.join_next().await {
            lists.extend(one.ok());
        }
        lists.sort_by_key(|(at, _)| *at);
        lists
    }

    /// What agents say about themselves, each in one of the guests that have it.
    async fn details(
        &self,
        deployment: &Deployment,
        agents: &BTreeMap<String, Vec<usize>>,
        deadline: Instant,
    ) -> HashMap<String, Answer> {
        // The work is spread over the guests.
        let mut load: HashMap<usize, Vec<Agent>> = HashMap::new();
        for (name, places) in agents {
            let burden = |at: &&usize| load.get(at).map_or(0, Vec::len);
            let least = places.iter().min_by_key(burden).copied();
            if let (Some(at), Ok(agent)) = (least, parse(name)) {
                load.entry(at).or_default().push(agent);
            }
        }
        let questions = load.into_iter();
        let questions =
            questions.map(|(at, agents)| (deployment.assemblies[at].name.clone(), agents));
        let asked = self.ask_all(deployment, questions, true, deadline).await;
        let mut details = HashMap::new();
        for (_, said) in asked {
            let Said::Answers(answers) = said else {
                continue;
            };
            let known = answers.into_iter();
            details.extend(
                known.filter_map(|(agent, answer)| Some((agent.to_string(), answer.ok()?))),
            );
        }
        details
    }
}

/// A guest's list: its place in the document, its agents, and whether there are more.
type Listed = (usize, Result<(Vec<String>, bool), String>);

fn entries(
    deployment: &Deployment,
    agents: BTreeMap<String, Vec<usize>>,
    details: &HashMap<String, Answer>,
) -> Vec<AgentEntry> {
    let agents = agents.into_iter();
    agents
        .map(|(agent, places)| {
            let known = match details.get(&agent) {
                Some(Answer::Described(known)) => Some(known),
                _ => None,
            };
            let assemblies = places.into_iter();
            let assemblies = assemblies.map(|at| deployment.assemblies[at].name.clone());
            AgentEntry {
                assemblies: assemblies.collect(),
                version: known.map(|it| it.version.clone()).unwrap_or_default(),
                short: known.map(|it| it.short.clone()).unwrap_or_default(),
                deprecated: known.is_some_and(|it| it.deprecated),
                agent,
            }
        })
        .collect()
}
