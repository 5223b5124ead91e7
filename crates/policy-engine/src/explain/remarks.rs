//! What else is worth knowing about a resource, beside what is done with it and why.

use super::answer::{Statement, Value, constraint};
use super::codes::Code;
use super::{Explainer, codes};
use crate::model::{Resource, ResourceId, Role, Score, Task};

impl Explainer<'_> {
    /// What else is worth knowing.
    pub(super) fn remarks(&self, id: ResourceId, reason: Option<&Statement>) -> Vec<Statement> {
        let resource = self.cluster.resource(id);
        let mut remarks: Vec<Statement> = Vec::new();
        remarks.extend(self.pending(id));
        if !resource.managed && resource.role == Role::Stopped {
            remarks.extend(self.found_stopped(id));
        }
        let promotion = self.promotion(id).filter(|_| resource.managed);
        let told = |code: &Code| reason.is_some_and(|reason| *reason.code == *code);
        let promotion = promotion.filter(|_| !told(&codes::NO_QUORUM_DEMOTE));
        remarks.extend(promotion.filter(|promotion| !told(promotion.code)));
        remarks.extend(self.stopped_followers(id));
        remarks.extend(self.not_critical(id));
        remarks.extend(
            resource
                .remote_node
                .and_then(|node| self.node_fencing(node)),
        );
        let free = told(&codes::EQUAL_FEWEST) || told(&codes::EQUAL_STAYS);
        if free {
            remarks.extend(self.order_does_not_place(id));
        }
        remarks.extend(self.rules_that_do_not_hold(id));
        remarks.extend(self.orders_that_do_not_hold(id));
        remarks.extend(self.one_way_orders(id));
        remarks.extend(self.not_live(id));
        if resource.failed {
            remarks.extend(self.waits_for_nobody(id));
        }
        remarks
    }

    /// Dependents that do not run, which does not concern their primary.
    fn stopped_followers(&self, id: ResourceId) -> Vec<Statement> {
        let top = self.cluster.top(id);
        let mut holders = vec![id];
        if top != id {
            holders.push(top);
        }
        let with = holders
            .iter()
            .flat_map(|it| &self.cluster.resource(*it).with_this);
        let with = with.map(|colocation| self.cluster.colocation(*colocation));
        let stopped = with.filter(|colocation| {
            let runs = self.cluster.resource(id).assigned.is_some();
            let nowhere = self.places_of(colocation.dependent, None).is_empty();
            colocation.explicit && colocation.score > Score::ZERO && runs && nowhere
        });
        let told = stopped.map(|colocation| {
            let dependent = &self.cluster.resource(colocation.dependent).config_id;
            let id = self.constraint_of_set(&colocation.id);
            self.say(
                &codes::FOLLOWER_STOPPED,
                vec![
                    ("dependent", Value::from(&**dependent)),
                    ("constraint", constraint(&id)),
                    ("name", self.cleanup_name(colocation.primary).into()),
                ],
            )
        });
        told.collect()
    }

    /// That what a resource is bound to does not move for its sake, though it could run elsewhere.
    fn not_critical(&self, id: ResourceId) -> Option<Statement> {
        let resource = self.cluster.resource(id);
        let stopped = self
            .target_role(id)
            .is_some_and(|role| role.code == &codes::TARGET_ROLE_STOPPED);
        let free = resource.critical || resource.assigned.is_some() || !resource.managed;
        if free || stopped || self.cluster.options.stop_all_resources {
            return None;
        }
        let bound = resource.this_with.iter();
        let bound = bound.map(|known| self.cluster.colocation(*known));
        let mut stays = bound.filter(|colocation| {
            !colocation.influence
                && colocation.score > Score::ZERO
                && self.could_move_with(id, colocation.primary)
        });
        let other = self.name(stays.next()?.primary);
        Some(self.say(
            &codes::NOT_CRITICAL,
            vec![("name", self.name(id).into()), ("other", other.into())],
        ))
    }

    /// Whether a resource is kept from the node of what it is bound to, and from others only
    /// because that is not there.
    fn could_move_with(&self, id: ResourceId, primary: ResourceId) -> bool {
        let bound = [&codes::COLOCATION, &codes::GROUP_FOLLOWS];
        let places = self.places_of(primary, None);
        let stays = places.iter().any(|node| {
            let runs = self.cluster.leaves(primary);
            let mut runs = runs.iter().map(|leaf| self.cluster.resource(*leaf));
            let here = self.not_there(id, *node).code;
            runs.any(|leaf| leaf.active_on.contains(node)) && !bound.contains(&here)
        });
        let mut others = self.cluster.node_order.iter();
        stays && others.any(|node| bound.contains(&self.not_there(id, *node).code))
    }

    /// That a failed resource waits for no operation that is under way elsewhere.
    fn waits_for_nobody(&self, id: ResourceId) -> Option<Statement> {
        let cluster = self.cluster;
        let all = cluster
            .top_level
            .iter()
            .flat_map(|top| cluster.leaves(*top));
        let mut pending =
            all.filter(|other| *other != id && self.is_pending(cluster.resource(*other)));
        let other = pending.next()?;
        let resource = cluster.resource(other);
        let bound = self.constraint_between(other, id).is_some();
        let related = cluster.top(other) == cluster.top(id);
        if bound || related {
            return None;
        }
        let task = resource.pending_task.as_ref()?;
        Some(self.say(
            &codes::NOT_WAITING,
            vec![
                ("other", self.name(other).into()),
                ("operation", task.name().into()),
                ("node", self.node_name(resource.pending_node?).into()),
            ],
        ))
    }

    fn is_pending(&self, resource: &Resource) -> bool {
        resource.pending_task.is_some() && resource.pending_node.is_some()
    }

    /// Whether the choice among nodes was free, and an order makes a reader expect otherwise.
    fn order_does_not_place(&self, id: ResourceId) -> Option<Statement> {
        if self.cluster.resource(self.cluster.top(id)).is_collective() {
            return None;
        }
        let order = self
            .orders_of(id)
            .into_iter()
            .find(|order| order.then == id || self.cluster.is_ancestor(order.then, id))?;
        let top = self.cluster.top(id);
        let colocated = [id, top].iter().any(|it| {
            let resource = self.cluster.resource(*it);
            let mut all = resource.this_with.iter().chain(&resource.with_this);
            all.any(|colocation| {
                let colocation = self.cluster.colocation(*colocation);
                let others = [colocation.primary, colocation.dependent];
                colocation.explicit && others.contains(&order.first)
            })
        });
        if colocated || self.places_of(order.first, None).is_empty() {
            return None;
        }
        let mut parameters = vec![
            ("constraint", constraint(&order.id)),
            ("other", self.cleanup_name(order.first).into()),
            ("owner", self.cleanup_name(top).into()),
        ];
        let other = self.cluster.resource(order.first);
        if order.first_task == Task::Promote || other.promotable {
            parameters.push(("role", "promoted".into()));
            parameters.push(("role_name", "Promoted".into()));
        }
        Some(self.say(&codes::ORDER_DOES_NOT_PLACE, parameters))
    }
}
