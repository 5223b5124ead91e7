//! Limits: capacities, and how many instances there may be, on a node and in all.

use super::answer::{Statement, Value};
use super::{Explainer, codes};
use crate::model::{Limit, NodeId, ResourceId, TooFull, Where};
use crate::scalar;

impl Explainer<'_> {
    /// Amounts that do not fit.
    pub(super) fn capacity(&self, id: ResourceId, node: NodeId) -> Statement {
        let records = self.journal.too_full.iter().rev();
        let found = records
            .filter(|full| full.node == node && full.resource == id)
            .find_map(|full| Some((full, self.lacking(full)?)));
        let Some((full, (kind, needed, free))) = found else {
            return self.plain(&codes::STATE);
        };
        let own = self.cluster.resource(id).utilization.text(&kind);
        let own = own.and_then(scalar::integer).unwrap_or(0);
        let configured = self.cluster.node(node).utilization.text(&kind);
        let mut parameters = vec![
            ("node", Value::from(self.node_name(node))),
            ("kind", kind.clone().into()),
            ("needed", needed.into()),
            ("free", free.into()),
            ("capacity", configured.unwrap_or("0").into()),
        ];
        let takers: Vec<String> = full
            .taken_by
            .iter()
            .filter_map(|taker| {
                let taker = self.cluster.resource(*taker);
                let amount = taker.utilization.text(&kind)?;
                Some(format!(
                    "{} ({amount}, priority {})",
                    taker.id, taker.priority
                ))
            })
            .collect();
        if !takers.is_empty() {
            parameters.push(("takers", takers.into()));
        }
        if own != needed {
            let together = format!("{own} for itself");
            parameters.push(("together", together.into()));
        }
        let priority = self.cluster.resource(id).priority;
        parameters.push(("priority", i64::from(priority).into()));
        self.say(&codes::CAPACITY, parameters)
    }

    /// The first kind of amount of which there is not enough.
    fn lacking(&self, full: &TooFull) -> Option<(String, i64, i64)> {
        let free = |name: &str| full.free.get(name).copied().unwrap_or(0);
        full.needed.iter().find_map(|(name, needed)| {
            let free = free(name);
            (*needed > free).then(|| (name.to_string(), i64::from(*needed), i64::from(free)))
        })
    }

    pub(super) fn clone_of(&self, id: ResourceId) -> Option<ResourceId> {
        let mut at = id;
        loop {
            if self.cluster.resource(at).is_collective() {
                return Some(at);
            }
            at = self.cluster.resource(at).parent?;
        }
    }

    /// How many instances a clone may have.
    fn clone_max(&self, clone: ResourceId) -> i64 {
        let data = self.cluster.resource(clone).clone_data();
        data.map_or(1, |data| i64::from(data.clone_max))
    }

    /// The clone has all its instances.
    pub(super) fn enough(&self, id: ResourceId) -> Statement {
        let Some(clone) = self.clone_of(id) else {
            return self.plain(&codes::NOT_TO_RUN);
        };
        let places = self.cluster.locations_of(clone, Where::Assigned);
        let max = self.clone_max(clone);
        self.say(
            &codes::ENOUGH_INSTANCES,
            vec![
                ("clone", self.name(clone).into()),
                ("max", max.into()),
                ("places", self.node_names(&places).into()),
            ],
        )
    }

    /// Why a clone allows no (further) instance on a node.
    pub(super) fn limit(&self, id: ResourceId, node: NodeId) -> Statement {
        let limits = self.journal.limits.iter().rev();
        let found = limits.clone().find(|(instance, at, _)| {
            *at == node && (*instance == id || self.cluster.is_ancestor(*instance, id))
        });
        let Some((instance, _, limit)) = found else {
            return self.plain(&codes::STATE);
        };
        let clone = self.clone_of(*instance);
        match (limit, clone) {
            (Limit::Removed, _) => self.removed(id),
            (Limit::Full, Some(clone)) => self.full(*instance, clone, node),
            (Limit::Banned, Some(clone)) => match self.ban(clone, node) {
                Some(entry) => self.cause(clone, entry),
                None => match self.cluster.resource(clone).allowed.get(node) {
                    Some(entry) => self.negative(clone, node, entry.score),
                    None if !self.cluster.options.symmetric => {
                        let node = self.node_name(node);
                        self.say(&codes::OPT_IN, vec![("node", node.into())])
                    }
                    None => self.plain(&codes::NO_CANDIDATE),
                },
            },
            _ => self
                .node_problem(node)
                .unwrap_or_else(|| self.plain(&codes::NO_CANDIDATE)),
        }
    }

    fn full(&self, instance: ResourceId, clone: ResourceId, node: NodeId) -> Statement {
        let collective = self.cluster.resource(clone);
        let (siblings, option, number): (Vec<ResourceId>, _, _) = match collective.bundle_data() {
            Some(bundle) => {
                let containers = bundle.replicas.iter().map(|replica| replica.container);
                (containers.collect(), "replicas-per-host", "replicas")
            }
            None => (collective.children.clone(), "clone-node-max", "clone-max"),
        };
        let others: Vec<String> = siblings
            .into_iter()
            .filter(|other| *other != instance)
            .filter(|other| {
                self.cluster
                    .locations_of(*other, Where::Assigned)
                    .contains(&node)
            })
            .map(|other| self.name(other))
            .collect();
        let max = self
            .cluster
            .resource(clone)
            .clone_data()
            .map(|data| data.clone_node_max);
        // What was put there has lost the place since.
        let leaf = self.cluster.leaves(instance).first().copied();
        if others.is_empty()
            && let Some(unmet) = leaf.and_then(|leaf| self.unmet(leaf))
        {
            return unmet;
        }
        let verb = if others.len() == 1 { "is" } else { "are" };
        self.say(
            &codes::INSTANCE_THERE,
            vec![
                ("others", others.into()),
                ("verb", verb.into()),
                ("clone", self.name(clone).into()),
                ("max", i64::from(max.unwrap_or(1)).into()),
                ("option", option.into()),
                ("number", number.into()),
            ],
        )
    }

    /// Why the history alone knows a resource.
    pub(super) fn removed(&self, id: ResourceId) -> Statement {
        let Some(clone) = self
            .clone_of(id)
            .filter(|it| !self.cluster.resource(*it).removed)
        else {
            return self.plain(&codes::REMOVED);
        };
        let max = self.clone_max(clone);
        if max == 0 {
            let clone = vec![("clone", self.name(clone).into())];
            return self.say(&codes::NO_INSTANCES, clone);
        }
        self.say(
            &codes::ABOVE_CLONE_MAX,
            vec![("clone", self.name(clone).into()), ("max", max.into())],
        )
    }
}
