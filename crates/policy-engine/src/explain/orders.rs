//! Order constraints, as the configuration has them: which one binds two resources.

use super::answer::{Statement, Value, constraint};
use super::{Explainer, codes};
use crate::constraints::references;
use crate::model::{ResourceId, Task};
use crate::scalar;
use crate::xml::Element;

/// An order constraint between two resources.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) kind: Option<String>,
    pub(super) first: ResourceId,
    pub(super) first_task: Task,
    pub(super) then: ResourceId,
    /// One of these is enough; empty: all that come first are needed.
    pub(super) any_of: Vec<ResourceId>,
    /// `symmetrical=false` is written there: it binds in this direction only.
    pub(super) one_way: bool,
}

impl Order {
    fn is_optional(&self) -> bool {
        self.kind.as_deref() == Some("Optional")
    }
}

impl Explainer<'_> {
    /// A resource and all above it.
    fn line_of(&self, id: ResourceId) -> Vec<ResourceId> {
        let mut line = vec![id];
        let mut at = id;
        while let Some(parent) = self.cluster.resource(at).parent {
            line.push(parent);
            at = parent;
        }
        line
    }

    /// All order constraints that bind a resource or what it is part of.
    pub(super) fn orders_of(&self, id: ResourceId) -> Vec<Order> {
        let line = self.line_of(id);
        let mut found = Vec::new();
        let constraints = self.cluster.document.section("constraints");
        let constraints = constraints.into_iter().flat_map(Element::children);
        for element in constraints.filter(|element| element.name() == "rsc_order") {
            let sides = [
                ("first", "first-action", "action"),
                ("then", "then-action", "action"),
            ];
            match references::sets(self.cluster, element, &sides) {
                Ok(None) => found.extend(self.simple(element, &line)),
                Ok(Some(sets)) => {
                    let sets: Vec<SetOf> = sets
                        .iter()
                        .map(|set| SetOf {
                            members: set
                                .members
                                .iter()
                                .filter_map(|name| references::resource(self.cluster, name))
                                .collect(),
                            task: Task::parse(set.action.as_deref().unwrap_or("start")),
                            sequential: set.sequential != Some(false),
                            require_all: set.require_all != Some(false),
                        })
                        .collect();
                    pairs(element, &sets, &line, &mut found);
                }
                Err(_) => {}
            }
        }
        found
    }

    fn simple(&self, element: Element<'_>, line: &[ResourceId]) -> Option<Order> {
        let resource = |side| references::resource(self.cluster, element.get(side)?);
        let (first, then) = (resource("first")?, resource("then")?);
        let task = Task::parse(element.get("first-action").unwrap_or("start"));
        (line.contains(&first) || line.contains(&then)).then(|| Order {
            id: element.get("id").unwrap_or_default().to_owned(),
            kind: kind_of(element),
            first,
            first_task: task,
            then,
            any_of: Vec::new(),
            one_way: is_one_way(element),
        })
    }

    /// The order constraint that binds two resources, or what they are part of; the mandatory one
    /// first.
    pub(super) fn constraint_between(&self, a: ResourceId, b: ResourceId) -> Option<Order> {
        let (line_a, line_b) = (self.line_of(a), self.line_of(b));
        let mut found: Vec<Order> = self.orders_of(b);
        found.retain(|order| {
            let forward = line_a.contains(&order.first) && line_b.contains(&order.then);
            let backward = line_b.contains(&order.first) && line_a.contains(&order.then);
            forward || backward
        });
        found.sort_by_key(Order::is_optional);
        found.into_iter().next()
    }

    /// Order constraints that a reader may expect to hold, and which do not.
    pub(super) fn orders_that_do_not_hold(&self, id: ResourceId) -> Vec<Statement> {
        if !self.acts(id) {
            return Vec::new();
        }
        let line = self.line_of(id);
        let mut statements: Vec<Statement> = Vec::new();
        for order in self
            .orders_of(id)
            .iter()
            .filter(|order| order.is_optional())
        {
            let other = match line.contains(&order.first) {
                true => order.then,
                false => order.first,
            };
            let binding = self.constraint_between(other, id);
            if binding.is_some_and(|binding| !binding.is_optional()) {
                continue;
            }
            let leaves = self.cluster.leaves(other);
            let migrates = leaves.iter().any(|leaf| self.migrates(*leaf));
            let code = if migrates {
                &codes::ORDER_NOT_FOR_MIGRATION
            } else if leaves.iter().any(|leaf| self.acts(*leaf)) {
                continue;
            } else {
                &codes::ORDER_OPTIONAL
            };
            let other = Value::from(self.cleanup_name(other));
            let parameters = vec![("constraint", constraint(&order.id)), ("other", other)];
            let statement = self.say(code, parameters);
            if !statements.iter().any(|known| known.text == statement.text) {
                statements.push(statement);
            }
        }
        statements
    }

    /// Orders that bind starts only, where something is stopped.
    pub(super) fn one_way_orders(&self, id: ResourceId) -> Vec<Statement> {
        let line = self.line_of(id);
        let leaves = |of: ResourceId| self.cluster.leaves(of).into_iter();
        let runs =
            |of: ResourceId| leaves(of).any(|it| !self.cluster.resource(it).active_on.is_empty());
        let stops = |of: ResourceId| leaves(of).any(|it| self.is_stopped(it));
        let mut statements: Vec<Statement> = Vec::new();
        for order in self.orders_of(id).iter().filter(|order| order.one_way) {
            let (first, then) = (order.first, order.then);
            let known = [("first", first), ("then", then)];
            let code = if line.contains(&then) && runs(id) && stops(first) {
                &codes::ORDER_ONE_WAY_GOES_ON
            } else if line.contains(&first) && stops(id) && runs(then) {
                &codes::ORDER_ONE_WAY_WAITS_NOT
            } else {
                continue;
            };
            let mut parameters = vec![("constraint", constraint(&order.id))];
            parameters.extend(known.map(|(name, it)| (name, Value::from(self.cleanup_name(it)))));
            let statement = self.say(code, parameters);
            if !statements.iter().any(|known| known.text == statement.text) {
                statements.push(statement);
            }
        }
        statements
    }

    /// Whether it is stopped in the transition.
    fn is_stopped(&self, id: ResourceId) -> bool {
        let mut actions = self.cluster.resource(id).actions.iter();
        actions.any(|action| {
            let action = self.cluster.action(*action);
            action.task == Task::Stop && action.in_graph
        })
    }

    /// Why what may migrate live is stopped and started instead.
    pub(super) fn not_live(&self, id: ResourceId) -> Option<Statement> {
        let resource = self.cluster.resource(id);
        let from = self.cluster.current_node(id)?;
        let moves = resource.assigned.is_some_and(|to| to != from) && self.acts(id);
        if !resource.migratable || !moves || self.migrates(id) {
            return None;
        }
        let line = self.line_of(id);
        let orders = self.orders_of(id).into_iter();
        let mut orders = orders.filter(|it| line.contains(&it.then) && !it.is_optional());
        let order = orders.find(|order| {
            let leaves = self.cluster.leaves(order.first);
            leaves.iter().any(|leaf| self.acts(*leaf))
        })?;
        let other = Value::from(self.cleanup_name(order.first));
        let parameters = vec![("constraint", constraint(&order.id)), ("other", other)];
        Some(self.say(&codes::NOT_LIVE, parameters))
    }

    /// Whether it is started or stopped in the transition, not only migrated.
    fn acts(&self, id: ResourceId) -> bool {
        let mut actions = self.cluster.resource(id).actions.iter();
        actions.any(|action| {
            let action = self.cluster.action(*action);
            let acts = matches!(
                action.task,
                Task::Start | Task::Stop | Task::Promote | Task::Demote
            );
            acts && action.in_graph && !action.pseudo
        })
    }

    fn migrates(&self, id: ResourceId) -> bool {
        let mut actions = self.cluster.resource(id).actions.iter();
        actions.any(|action| {
            let action = self.cluster.action(*action);
            action.task == Task::MigrateTo && action.in_graph
        })
    }
}

/// A resource set of an order.
struct SetOf {
    members: Vec<ResourceId>,
    task: Task,
    sequential: bool,
    require_all: bool,
}

/// The pairs of a constraint with sets in which a resource occurs.
fn pairs(element: Element<'_>, sets: &[SetOf], line: &[ResourceId], found: &mut Vec<Order>) {
    let mut add = |first: ResourceId, task: &Task, then: ResourceId, any_of: &[ResourceId]| {
        if line.contains(&first) || line.contains(&then) {
            found.push(Order {
                id: element.get("id").unwrap_or_default().to_owned(),
                kind: kind_of(element),
                first,
                first_task: task.clone(),
                then,
                any_of: any_of.to_vec(),
                one_way: is_one_way(element),
            });
        }
    };
    for (index, set) in sets.iter().enumerate() {
        if set.sequential {
            for pair in set.members.windows(2) {
                add(pair[0], &set.task, pair[1], &[]);
            }
        }
        let Some(before) = index.checked_sub(1).map(|before| &sets[before]) else {
            continue;
        };
        let holds_it = |set: &SetOf| set.members.iter().any(|member| line.contains(member));
        if !holds_it(before) && !holds_it(set) {
            continue;
        }
        let any_of: &[ResourceId] = match before.require_all {
            true => &[],
            false => &before.members,
        };
        for first in &before.members {
            for then in &set.members {
                add(*first, &before.task, *then, any_of);
            }
        }
    }
}

fn is_one_way(element: Element<'_>) -> bool {
    element.get("symmetrical").and_then(scalar::boolean) == Some(false)
}

/// The kind of an order constraint, unless it is mandatory.
fn kind_of(element: Element<'_>) -> Option<String> {
    match (element.get("kind"), element.get("score")) {
        (Some(kind @ ("Optional" | "Serialize")), _) => Some(kind.to_owned()),
        (Some(_), _) | (None, None) => None,
        (None, Some(score)) => {
            let optional = !matches!(score, "INFINITY" | "+INFINITY" | "-INFINITY")
                && scalar::integer(score).unwrap_or(0) == 0;
            optional.then(|| "Optional".to_owned())
        }
    }
}
