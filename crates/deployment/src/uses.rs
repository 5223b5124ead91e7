//! What a document asks of resource agents, with the places at which it does: for the check against
//! what guests' agents say about themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cpe_status::GuestSecret;

use crate::model::{Agent, Constraint, Deployment, FencingMode, Score, resource_id};

/// The most parameters of a document that are checked: sets that many primitives share would
/// otherwise be as many times as long.
pub(crate) const MAX_GIVEN: usize = 250_000;

/// A service and its agent.
#[derive(Debug, Clone)]
pub(crate) struct Use {
    /// The service's id.
    pub(crate) service: String,
    pub(crate) agent: Agent,
    /// Of the agent's name.
    pub(crate) at: usize,
    /// The assemblies in which it may run.
    pub(crate) assemblies: Arc<[String]>,
    /// It is meant for all of those: one without its agent is worth a warning.
    pub(crate) everywhere: bool,
    pub(crate) parameters: Vec<Given>,
    /// Actions that it needs beside those that each agent has.
    pub(crate) actions: Vec<Needed>,
    /// A fencing device that is said to provide unfencing.
    pub(crate) unfences: bool,
}

/// A parameter that a service is given.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) name: String,
    pub(crate) value: String,
    /// It is known only while the deployment runs, or only in the guest.
    pub(crate) is_elsewhere: bool,
    /// By its mark or by its name.
    pub(crate) is_secret: bool,
    /// Of its element.
    pub(crate) at: usize,
}

/// An action that a service needs.
#[derive(Debug, Clone)]
pub(crate) struct Needed {
    pub(crate) action: String,
    pub(crate) why: Why,
    /// Of what asks for it.
    pub(crate) at: usize,
}

/// Why an action is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// `promotable`.
    Promotable,
    /// `notify`.
    Notified,
    /// `allow-migrate`.
    Migrates,
    /// `<op>`.
    Operation,
}

/// The places of a short form's service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    /// Of the agent's name.
    pub(crate) agent: usize,
    /// Of its parameters, by name.
    pub(crate) parameters: BTreeMap<String, usize>,
}

/// The uses of agents by the services of the short form, whose places are in the same order.
pub(crate) fn of_services(deployment: &Deployment, places: &[Places]) -> Vec<Use> {
    let banned = banned(deployment);
    let mut groups = BTreeMap::new();
    for group in &deployment.groups {
        let resource = resource_id(&group.id, group.instances);
        groups.extend(group.members.clone().map(|index| (index, resource.clone())));
    }
    let names = || deployment.assemblies.iter().map(|it| it.name.as_str());
    let all: Arc<[String]> = names().map(str::to_owned).collect();
    let hindered: BTreeSet<&str> = banned.iter().map(|(resource, _)| *resource).collect();
    let followed = deployment.live.iter();
    let live: BTreeSet<(&str, &str)> = followed.map(|it| (&*it.service, &*it.parameter)).collect();
    let services = deployment.services.iter().zip(places).enumerate();
    services
        .map(|(index, (service, places))| {
            let own = || resource_id(&service.id, service.instances);
            let resource = groups.get(&index).cloned().unwrap_or_else(own);
            let assemblies = match &service.assembly {
                Some(assembly) => [assembly.clone()].into(),
                None if hindered.contains(resource.as_str()) => {
                    let allowed = |name: &&str| !banned.contains(&(resource.as_str(), *name));
                    names().filter(allowed).map(str::to_owned).collect()
                }
                None => Arc::clone(&all),
            };
            let parameters = service.parameters.iter().map(|parameter| Given {
                name: parameter.name.clone(),
                value: parameter.value.clone(),
                is_elsewhere: live.contains(&(&*service.id, &*parameter.name))
                    || GuestSecret::of_value(&parameter.value).is_some(),
                is_secret: parameter.secret,
                at: places
                    .parameters
                    .get(&parameter.name)
                    .copied()
                    .unwrap_or(places.agent),
            });
            Use {
                service: service.id.clone(),
                agent: service.agent.clone(),
                at: places.agent,
                assemblies,
                everywhere: true,
                parameters: parameters.collect(),
                actions: Vec::new(),
                unfences: false,
            }
        })
        .collect()
}

/// The uses of fence agents by assemblies, which this host runs.
pub(crate) fn of_fencing(deployment: &Deployment, places: &BTreeMap<usize, Places>) -> Vec<Use> {
    let mut uses = Vec::new();
    for (index, places) in places {
        let Some(assembly) = deployment.assemblies.get(*index) else {
            continue;
        };
        let FencingMode::Agent { agent, parameters } = &assembly.fencing.mode else {
            continue;
        };
        let place = |name: &str| places.parameters.get(name).copied();
        let parameters = parameters.iter().map(|parameter| Given {
            name: parameter.name.clone(),
            value: parameter.value.clone(),
            is_elsewhere: false,
            is_secret: parameter.secret,
            at: place(&parameter.name).unwrap_or(places.agent),
        });
        uses.push(Use {
            service: assembly.name.clone(),
            agent: Agent {
                class: FENCING.to_owned(),
                provider: None,
                kind: agent.clone(),
            },
            at: places.agent,
            assemblies: [].into(),
            everywhere: false,
            parameters: parameters.collect(),
            actions: Vec::new(),
            unfences: false,
        });
    }
    uses
}

/// The class of fence agents.
pub(crate) const FENCING: &str = "stonith";

/// Resources and the assemblies in which they must not run.
fn banned(deployment: &Deployment) -> BTreeSet<(&str, &str)> {
    let locations = deployment.constraints.iter();
    locations
        .filter_map(|constraint| match constraint {
            Constraint::Location {
                resource,
                assembly,
                score,
            } if *score <= Score::NEG_INFINITY.0 => Some((resource.as_str(), assembly.as_str())),
            _ => None,
        })
        .collect()
}
