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
    pub(super) then_task: Task,
    /// One of these is enough; empty: all that come first are needed.
    pub(super) any_of: Vec<ResourceId>,
    /// `symmetrical=false` is written there: it binds in this direction only.
    pub(super) one_way: bool,
}

impl Order {
    fn is_optional(&self) -> bool {
        self.kind.as_deref() == Some("Optional")
    }

    /// Whether it would bind stops and demotions too, if it were not for `symmetrical=false`.
    fn lacks_a_direction(&self) -> bool {
        let begins = |task: &Task| matches!(task, Task::Start | Task::Promote);
        self.one_way && self.kind.is_none() && begins(&self.first_task) && begins(&self.then_task)
    }
}

impl Explainer<'_> {
    /// A resource and all above it.
    pub(super) fn line_of(&self, id: ResourceId) -> Vec<ResourceId> {
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
        let first_task = element.get("first-action").unwrap_or("start");
        let then_task = element.get("then-action").unwrap_or(first_task);
        (line.contains(&first) || line.contains(&then)).then(|| Order {
            id: element.get("id").unwrap_or_default().to_owned(),
            kind: kind_of(element),
            first,
            first_task: Task::parse(first_task),
            then,
            then_task: Task::parse(then_task),
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

    /// Orders that bind in one direction only, where the other direction happens.
    pub(super) fn one_way_orders(&self, id: ResourceId) -> Vec<Statement> {
        let line = self.line_of(id);
        let leaves = |of: ResourceId| self.cluster.leaves(of).into_iter();
        let runs =
            |of: ResourceId| leaves(of).any(|it| !self.cluster.resource(it).active_on.is_empty());
        let undone = |of: ResourceId, done: &Task| leaves(of).any(|it| self.is_undone(it, done));
        let mut statements: Vec<Statement> = Vec::new();
        let orders = self.orders_of(id);
        for order in orders.iter().filter(|order| order.lacks_a_direction()) {
            let (first, then) = (order.first, order.then);
            let (is_first_undone, is_undone) = (
                undone(first, &order.first_task),
                undone(id, &order.then_task),
            );
            let code = if line.contains(&then) && runs(id) && is_first_undone && !is_undone {
                &codes::ORDER_ONE_WAY_GOES_ON
            } else if line.contains(&first) && undone(id, &order.first_task) && runs(then) {
                &codes::ORDER_ONE_WAY_WAITS_NOT
            } else {
                continue;
            };
            let (undone, then_undone) = (undoing(&order.first_task), undoing(&order.then_task));
            let mut parameters = vec![
                ("constraint", constraint(&order.id)),
                ("first", Value::from(self.cleanup_name(first))),
                ("then", self.cleanup_name(then).into()),
                ("what", self.bound_by(order).into()),
                ("then_undone", then_undone.into()),
            ];
            if undone != then_undone || code == &codes::ORDER_ONE_WAY_WAITS_NOT {
                parameters.push(("undone", undone.into()));
            }
            let statement = self.say(code, parameters);
            if !statements.iter().any(|known| known.text == statement.text) {
                statements.push(statement);
            }
        }
        statements
    }

    /// The actions that an order binds.
    fn bound_by(&self, order: &Order) -> String {
        let noun = |task: &Task| match task {
            Task::Promote => "promotion",
            _ => "start",
        };
        if order.first_task == order.then_task {
            return format!("{}s", noun(&order.first_task));
        }
        format!(
            "the {} of {} and the {} of {}",
            noun(&order.first_task),
            self.cleanup_name(order.first),
            noun(&order.then_task),
            self.cleanup_name(order.then)
        )
    }

    /// Whether what was done is undone in the transition: a start by a stop, a promotion by
    /// a demotion.
    fn is_undone(&self, id: ResourceId, done: &Task) -> bool {
        let inverse = match done {
            Task::Promote => Task::Demote,
            _ => Task::Stop,
        };
        let mut actions = self.cluster.resource(id).actions.iter();
        actions.any(|action| {
            let action = self.cluster.action(*action);
            action.task == inverse && action.in_graph
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
    pub(super) fn acts(&self, id: ResourceId) -> bool {
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

/// What undoes a task, as a participle.
fn undoing(done: &Task) -> &'static str {
    match done {
        Task::Promote => "demoted",
        _ => "stopped",
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
    let mut add = |(first, task): (ResourceId, &Task),
                   (then, then_task): (ResourceId, &Task),
                   any_of: &[ResourceId]| {
        if line.contains(&first) || line.contains(&then) {
            found.push(Order {
                id: element.get("id").unwrap_or_default().to_owned(),
                kind: kind_of(element),
                first,
                first_task: task.clone(),
                then,
                then_task: then_task.clone(),
                any_of: any_of.to_vec(),
                one_way: is_one_way(element),
            });
        }
    };
    for (index, set) in sets.iter().enumerate() {
        if set.sequential {
            for pair in set.members.windows(2) {
                add((pair[0], &set.task), (pair[1], &set.task), &[]);
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
                add((*first, &before.task), (*then, &set.task), any_of);
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
