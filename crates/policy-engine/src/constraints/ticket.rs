//! Ticket constraints (scheduler-spec/03 §6). They act at once: a lost ticket bans, freezes or
//! fences while constraints are read.

use super::references;
use crate::model::{
    Cause, Cluster, Level, LossPolicy, ResourceId, Role, Score, Table, Ticket, TicketConstraint,
    TicketConstraintId, TicketId,
};
use crate::transition::fencing;
use crate::xml::Element;

/// Reads one constraint.
pub(crate) fn unpack(cluster: &mut Cluster, element: Element<'_>) {
    if let Err(why) = read(cluster, element) {
        let id = element.get("id").unwrap_or_default();
        let text = format!("Ignoring ticket constraint {id}: {why}");
        cluster.say(Level::Error, text);
    }
}

fn read(cluster: &mut Cluster, element: Element<'_>) -> Result<(), String> {
    let name = element.get("ticket").ok_or("expected ticket")?;
    let ticket = find_or_add(cluster, name);
    match references::sets(cluster, element, &[("rsc", "rsc-role", "role")]) {
        Err(ignored) => Err(ignored.0),
        Ok(Some(sets)) => {
            for set in sets {
                for member in &set.members {
                    let resource = references::resource(cluster, member)
                        .ok_or_else(|| format!("there is no resource {member}"))?;
                    constrain(cluster, element, ticket, resource, set.role.as_deref());
                }
            }
            Ok(())
        }
        Ok(None) => {
            let name = element.get("rsc").ok_or("expected rsc or resource sets")?;
            let resource = references::resource(cluster, name)
                .ok_or_else(|| format!("there is no resource {name}"))?;
            constrain(cluster, element, ticket, resource, element.get("rsc-role"));
            Ok(())
        }
    }
}

/// The ticket; one that the status does not know is not granted.
fn find_or_add(cluster: &mut Cluster, name: &str) -> TicketId {
    if let Some(known) = cluster.tickets.iter().position(|t| &*t.id == name) {
        return TicketId::new(known);
    }
    cluster.tickets.push(Ticket {
        id: name.into(),
        granted: false,
        standby: false,
        last_granted: -1,
        state: Table::new(),
    });
    TicketId::new(cluster.tickets.len() - 1)
}

fn constrain(
    cluster: &mut Cluster,
    element: Element<'_>,
    ticket: TicketId,
    resource: ResourceId,
    role: Option<&str>,
) {
    let role = role_of(cluster, element, role);
    let constraint = TicketConstraint {
        id: element.get("id").unwrap_or_default().into(),
        ticket,
        resource,
        role,
        loss_policy: loss_policy(cluster, element.get("loss-policy"), role),
    };
    let constraint_id = constraint.id.clone();
    let id = TicketConstraintId::new(cluster.ticket_constraints.len());
    cluster.resource_mut(resource).tickets.push(id);
    let state = &cluster.tickets[ticket.index()];
    let lost = Lost {
        granted: state.granted,
        role,
        policy: constraint.loss_policy,
    };
    let effective = !state.granted || state.standby;
    cluster.ticket_constraints.push(constraint);
    if effective {
        for primitive in cluster.leaves(resource) {
            lost.apply(cluster, primitive);
            cluster.note(primitive, Cause::Ticket(constraint_id.clone()));
        }
    }
}

/// A constraint's role: absent or Started mean any, and so does an invalid role (01 §3.6), so that
/// a typing error does not evade a ticket.
fn role_of(cluster: &mut Cluster, element: Element<'_>, text: Option<&str>) -> Option<Role> {
    let text = text?;
    match Role::parse(text) {
        Some(Role::Started) => None,
        None | Some(Role::Unknown) => {
            let id = element.get("id").unwrap_or_default();
            let message = format!(
                "Ticket constraint {id}: expected a role, found {text:?}: it is for any role"
            );
            cluster.say(Level::Error, message);
            None
        }
        role => role,
    }
}

fn loss_policy(cluster: &Cluster, text: Option<&str>, role: Option<Role>) -> LossPolicy {
    let text = text.unwrap_or_default().to_ascii_lowercase();
    match text.as_str() {
        "fence" if cluster.options.fencing_enabled => LossPolicy::Fence,
        "fence" | "stop" => LossPolicy::Stop,
        "freeze" => LossPolicy::Freeze,
        "demote" => LossPolicy::Demote,
        _ if role == Some(Role::Promoted) => LossPolicy::Demote,
        _ => LossPolicy::Stop,
    }
}

/// A constraint whose ticket is not granted, or is granted but in standby.
struct Lost {
    granted: bool,
    role: Option<Role>,
    policy: LossPolicy,
}

impl Lost {
    fn apply(&self, cluster: &mut Cluster, primitive: ResourceId) {
        let promoted = self.role == Some(Role::Promoted);
        let resource = cluster.resource(primitive);
        if self.granted || resource.active_on.is_empty() {
            if !promoted || self.policy == LossPolicy::Stop {
                cluster.adjust_everywhere(primitive, Score::MINUS_INFINITY);
            }
            return;
        }
        let concerned = self.role.is_none_or(|role| role == resource.role);
        match self.policy {
            LossPolicy::Stop => cluster.adjust_everywhere(primitive, Score::MINUS_INFINITY),
            LossPolicy::Demote if promoted => {}
            LossPolicy::Demote => cluster.adjust_everywhere(primitive, Score::MINUS_INFINITY),
            LossPolicy::Fence if concerned => {
                cluster.adjust_everywhere(primitive, Score::MINUS_INFINITY);
                for node in cluster.resource(primitive).active_on.clone() {
                    fencing::mark(cluster, node, "deadman ticket was lost");
                }
            }
            LossPolicy::Freeze if concerned => {
                let resource = cluster.resource_mut(primitive);
                resource.managed = false;
                resource.blocked = true;
            }
            LossPolicy::Fence | LossPolicy::Freeze => {}
        }
    }
}
