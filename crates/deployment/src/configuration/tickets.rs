//! What depends on tickets, said for people: for each `<rsc_ticket>`, or each set of one, the
//! services that it stands for. The policy engine reads the constraints themselves.

use std::collections::HashMap;

use policy_engine::model::Role;

use crate::model::{Deployment, TicketUse, resource_id};
use crate::tree::Element;

/// The most services that are named of one use; of more only the number is said, so that sets that
/// are given by `id-ref` a thousand times cost no more than their text.
const NAMED: usize = 16;

/// The services that something stands for: some of them by name, and how many there are.
#[derive(Clone, Default)]
struct Stands {
    named: Vec<String>,
    count: usize,
}

impl Stands {
    fn add(&mut self, other: &Stands) {
        let room = NAMED.saturating_sub(self.named.len());
        self.named.extend(other.named.iter().take(room).cloned());
        self.count = self.count.saturating_add(other.count);
    }

    fn of_services<'s>(ids: impl IntoIterator<Item = &'s str>) -> Stands {
        let mut stands = Stands::default();
        for id in ids {
            if stands.named.len() < NAMED {
                stands.named.push(id.to_owned());
            }
            stands.count += 1;
        }
        stands
    }
}

/// Reads what depends on tickets, in the order of the document.
pub(super) fn read(configuration: &Element<'_>, deployment: &Deployment) -> Vec<TicketUse> {
    let constraints = configuration.children.iter();
    let constraints = constraints.filter(|section| section.name == "constraints");
    let tickets: Vec<_> = constraints
        .flat_map(|section| &section.children)
        .filter(|constraint| constraint.name == "rsc_ticket")
        .collect();
    if tickets.is_empty() {
        return Vec::new();
    }
    let resources = resources(configuration, deployment);
    let sets = sets(configuration, &resources);
    let mut uses = Vec::new();
    for constraint in tickets {
        let own = constraint.value("rsc").map(|rsc| {
            let stands = resources.get(rsc).cloned().unwrap_or_default();
            (stands, constraint.value("rsc-role"))
        });
        let listed = constraint.children.iter().filter_map(|set| {
            let id = set.value("id-ref").or(set.value("id"))?;
            sets.get(id).cloned()
        });
        for (stands, role) in own.into_iter().chain(listed) {
            uses.push(ticket_use(constraint, stands, role));
        }
    }
    uses
}

fn ticket_use(constraint: &Element<'_>, stands: Stands, role: Option<&str>) -> TicketUse {
    let of = |name: &str| constraint.value(name).unwrap_or_default().to_owned();
    // for any role, also where the document says Started (scheduler-spec/03 §6)
    let role = role
        .and_then(Role::parse)
        .filter(|role| *role != Role::Started);
    let loss_policy = match (constraint.value("loss-policy"), role) {
        (Some(policy), _) => policy.to_ascii_lowercase(),
        (None, Some(Role::Promoted)) => "demote".to_owned(),
        (None, _) => "stop".to_owned(),
    };
    TicketUse {
        ticket: of("ticket"),
        constraint: of("id"),
        more: stands.count - stands.named.len(),
        services: stands.named,
        role: role.map(|role| role.to_string()).unwrap_or_default(),
        loss_policy,
    }
}

/// What each name that a constraint may give stands for.
fn resources(configuration: &Element<'_>, deployment: &Deployment) -> HashMap<String, Stands> {
    let mut known = HashMap::new();
    for group in &deployment.groups {
        let members = deployment.services.get(group.members.clone());
        let members = members.into_iter().flatten();
        let stands = Stands::of_services(members.map(|member| member.id.as_str()));
        known.insert(resource_id(&group.id, group.instances), stands);
    }
    for service in &deployment.services {
        let stands = Stands::of_services([service.id.as_str()]);
        known.insert(resource_id(&service.id, service.instances), stands);
    }
    let (mut tags, mut templated) = (Vec::new(), HashMap::<&str, Stands>::new());
    configuration.visit(&mut |element| match (element.name, element.value("id")) {
        ("primitive" | "group" | "clone" | "bundle", Some(id)) => {
            let mut inner = Vec::new();
            element.visit(&mut |part| {
                inner.extend(part.value("id").filter(|_| part.name == "primitive"));
            });
            // a bundle of containers alone has no primitive: it is what runs
            let inner = if inner.is_empty() { vec![id] } else { inner };
            known.insert(id.to_owned(), Stands::of_services(inner));
            if let Some(template) = element.value("template") {
                let stands = templated.entry(template).or_default();
                stands.add(&Stands::of_services([id]));
            }
        }
        ("tag", Some(id)) => tags.push((id, element)),
        _ => {}
    });
    let templated = templated.into_iter();
    known.extend(templated.map(|(template, stands)| (template.to_owned(), stands)));
    for (id, tag) in tags {
        let stands = members(tag, &known);
        known.insert(id.to_owned(), stands);
    }
    known
}

/// What each resource set stands for, with its role.
fn sets<'e>(
    configuration: &'e Element<'_>,
    resources: &HashMap<String, Stands>,
) -> HashMap<&'e str, (Stands, Option<&'e str>)> {
    let mut sets = HashMap::new();
    configuration.visit(&mut |element| {
        if let ("resource_set", Some(id)) = (element.name, element.value("id")) {
            sets.insert(id, (members(element, resources), element.value("role")));
        }
    });
    sets
}

/// What the members of a tag or of a set stand for together.
fn members(listed: &Element<'_>, known: &HashMap<String, Stands>) -> Stands {
    let mut stands = Stands::default();
    let names = listed
        .children
        .iter()
        .filter_map(|member| member.value("id"));
    for name in names {
        stands.add(known.get(name).unwrap_or(&Stands::default()));
    }
    stands
}
