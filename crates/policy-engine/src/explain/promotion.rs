//! Which instance of a promotable clone is promoted: scores and their parts.

use super::answer::{Statement, Value, constraint};
use super::managed::ticket_parameters;
use super::{Explainer, codes};
use crate::model::{
    NodeId, PromotionCause, PromotionPart, ResourceId, Role, Score, is_of_ban, is_of_move,
};

impl<'s> Explainer<'s> {
    /// Why the instance that a primitive is (part of) is promoted, or is not.
    pub(super) fn promotion(&self, id: ResourceId) -> Option<Statement> {
        let instance = self.ranked_instance(id)?;
        let (node, score) = self.rank(instance)?;
        if let Some(role) = self.target_role(id)
            && role.code == &codes::TARGET_ROLE_UNPROMOTED
        {
            return Some(role);
        }
        let parts = self.promotion_parts(instance, node);
        let promoted = self.cluster.resource(id).next_role == Role::Promoted;
        let best = self.best_other(instance, promoted);
        let mut parameters = vec![
            ("name", Value::from(self.name(id))),
            ("score", score.to_string().into()),
            ("parts", parts.into()),
        ];
        if let Some((other, other_score)) = best {
            parameters.push(("other", self.name(other).into()));
            parameters.push(("other_score", other_score.to_string().into()));
        }
        if promoted {
            let code = match best {
                None => &codes::PROMOTED_ONLY,
                Some((_, other)) if other == score => &codes::PROMOTED_TIE,
                Some((_, other)) if other < score => &codes::PROMOTED_BEST,
                Some(_) => &codes::PROMOTED_ONLY,
            };
            return Some(self.say(code, parameters));
        }
        if score < Score::ZERO {
            if self.lacks_score(instance) {
                parameters.extend(node.map(|node| ("node", self.node_name(node).into())));
                let attribute = self.score_attribute(instance, None);
                parameters.push((
                    "no_score",
                    format!("it sets node attribute {attribute}").into(),
                ));
            }
            return Some(self.say(&codes::NEGATIVE_SCORE, parameters));
        }
        let Some((other, _)) = best else {
            return Some(self.not_allowed(instance, node, parameters));
        };
        if best.is_some_and(|(_, other)| other == score) {
            return Some(self.say(&codes::OTHERS_COME_FIRST, parameters));
        }
        if let Some((Some(node), _)) = self.rank(other) {
            let parts = self.promotion_parts(other, Some(node));
            parameters.push(("other_parts", parts.into()));
        }
        Some(self.say(&codes::OTHERS_HAVE_MORE, parameters))
    }

    /// Why nothing is promoted although a score would allow it.
    fn not_allowed(
        &self,
        instance: ResourceId,
        node: Option<NodeId>,
        mut parameters: Vec<(&'static str, Value)>,
    ) -> Statement {
        if let Some(missing) = self.unpromoted_without_quorum() {
            return missing;
        }
        let clone = self.cluster.resource(instance).parent.unwrap_or(instance);
        let data = self.cluster.resource(clone).clone_data();
        if data.is_some_and(|data| data.promoted_max == 0) {
            parameters.push(("clone", self.name(clone).into()));
            return self.say(&codes::PROMOTES_NONE, parameters);
        }
        if let Some(problem) = node.and_then(|node| self.node_problem(node)) {
            return problem;
        }
        let parts = self.cluster.leaves(instance).into_iter();
        let mut idle = parts.filter(|part| self.cluster.resource(*part).assigned.is_none());
        let idle = idle.next().and_then(|part| {
            let reason = self.behind(part, || self.short_reason(part))?;
            Some(self.of(part, reason))
        });
        idle.unwrap_or_else(|| self.say(&codes::PROMOTION_IMPOSSIBLE, parameters))
    }

    /// The instance that has a promotion score.
    fn ranked_instance(&self, id: ResourceId) -> Option<ResourceId> {
        let mut at = id;
        loop {
            if self.rank(at).is_some() {
                return Some(at);
            }
            at = self.cluster.resource(at).parent?;
        }
    }

    /// Where an instance is to be, and its promotion score.
    fn rank(&self, instance: ResourceId) -> Option<(Option<NodeId>, Score)> {
        let mut ranks = self.journal.promotions.iter().rev();
        let (_, node, score) = ranks.find(|rank| rank.0 == instance)?;
        node.is_some().then_some((*node, *score))
    }

    /// The best of the other instances; for one that is not promoted, of those that are.
    fn best_other(&self, instance: ResourceId, promoted: bool) -> Option<(ResourceId, Score)> {
        let clone = self.cluster.resource(instance).parent?;
        let siblings = self.cluster.resource(clone).children.iter().copied();
        let others = siblings.filter(|other| *other != instance);
        let ranked = others.filter_map(|other| Some((other, self.rank(other)?.1)));
        let wanted = |(other, _): &(ResourceId, Score)| {
            promoted || self.cluster.next_role_of(*other) == Role::Promoted
        };
        ranked.filter(wanted).max_by_key(|(_, score)| *score)
    }

    /// What a promotion score consists of.
    fn promotion_parts(&self, instance: ResourceId, node: Option<NodeId>) -> Vec<Statement> {
        let parts = &self.journal.promotion_parts;
        let own: Vec<&PromotionPart> = parts.iter().filter(|it| it.instance == instance).collect();
        let begins = |part: &&PromotionPart| {
            use PromotionCause::{Agent, NoAgentScore, Role};
            matches!(part.cause, Agent | NoAgentScore | Role)
        };
        let first = own.iter().rposition(begins).unwrap_or(0);
        own[first..]
            .iter()
            .map(|part| self.promotion_part(part, node))
            .collect()
    }

    /// Whether no agent has given an instance a score.
    fn lacks_score(&self, instance: ResourceId) -> bool {
        let mut parts = self.journal.promotion_parts.iter().rev();
        parts.any(|it| it.instance == instance && it.cause == PromotionCause::NoAgentScore)
    }

    fn promotion_part(&self, part: &PromotionPart, node: Option<NodeId>) -> Statement {
        let node = node.map(|node| (node, self.node_name(node)));
        let mut parameters = vec![("score", Value::from(part.score.to_string()))];
        if let Some((_, name)) = &node {
            parameters.push(("node", name.as_str().into()));
        }
        let code = match part.cause {
            PromotionCause::Agent => {
                let attribute = self.score_attribute(part.instance, node.as_ref().map(|it| it.0));
                parameters.push(("attribute", attribute.into()));
                &codes::PART_AGENT
            }
            PromotionCause::NoAgentScore => &codes::PART_NO_AGENT,
            PromotionCause::Role => &codes::PART_ROLE,
            PromotionCause::Ticket => {
                parameters.extend(self.promotion_ticket(part.instance));
                &codes::PART_TICKET
            }
            PromotionCause::Location(location) => {
                let location = self.cluster.location(location);
                let owner = &self.cluster.resource(location.resource).config_id;
                parameters.push(("constraint", constraint(&location.id)));
                parameters.push(("owner", (&**owner).into()));
                match self.terms.temporary.get(&*location.id) {
                    Some(known) => {
                        parameters.push(("entry", known.text.as_str().into()));
                        parameters.push(("end", known.remedy.as_str().into()));
                        &codes::PART_TEMPORARY
                    }
                    None if is_of_ban(&location.id) || is_of_move(&location.id) => {
                        &codes::PART_LEFTOVER
                    }
                    None => &codes::PART_LOCATION,
                }
            }
            PromotionCause::Primary(colocation) => {
                let colocation = self.cluster.colocation(colocation);
                let primary = &self.cluster.resource(colocation.primary).config_id;
                let places = self.places_of(colocation.primary, colocation.primary_role);
                let places = match places.as_slice() {
                    [] => "nowhere".to_owned(),
                    places => format!("on {}", super::answer::and(&self.node_names(places))),
                };
                let relation = match colocation.score < Score::ZERO {
                    true => "away from",
                    false => "with",
                };
                parameters.push(("constraint", constraint(&colocation.id)));
                parameters.push(("primary", (&**primary).into()));
                parameters.push(("relation", relation.into()));
                parameters.push(("places", places.into()));
                &codes::PART_PRIMARY
            }
            PromotionCause::Placement => {
                parameters.extend(self.placement(part.instance, node.as_ref().map(|it| it.0)));
                &codes::PART_PLACEMENT
            }
            PromotionCause::Dependent(colocation) => {
                let colocation = self.cluster.colocation(colocation);
                let dependent = &self.cluster.resource(colocation.dependent).config_id;
                parameters.push(("dependent", (&**dependent).into()));
                parameters.push(("constraint", constraint(&colocation.id)));
                &codes::PART_DEPENDENT
            }
        };
        self.say(code, parameters)
    }

    /// The ticket that the promoted role of an instance needs and does not have.
    fn promotion_ticket(&self, instance: ResourceId) -> Vec<(&'static str, Value)> {
        let clone = self.cluster.resource(instance).parent.unwrap_or(instance);
        let needs = self.cluster.resource(clone).tickets.iter();
        let missing = needs.filter_map(|known| {
            let binding = &self.cluster.ticket_constraints[known.index()];
            let ticket = &self.cluster.tickets[binding.ticket.index()];
            let is_missing = !ticket.granted || ticket.standby;
            (is_missing && binding.role == Some(Role::Promoted)).then_some((ticket, binding))
        });
        let mut missing = missing.map(|(ticket, binding)| ticket_parameters(ticket, binding));
        missing.next().unwrap_or_default()
    }

    /// The node attribute that holds the agent's score.
    fn score_attribute(&self, instance: ResourceId, node: Option<NodeId>) -> String {
        let leaves = self.cluster.leaves(instance);
        let names = leaves.iter().flat_map(|leaf| {
            let resource = self.cluster.resource(*leaf);
            let base = crate::model::base_name(resource.known_as());
            [
                format!("master-{}", resource.known_as()),
                format!("master-{base}"),
            ]
        });
        let names: Vec<String> = names.collect();
        let set = |name: &&String| {
            node.is_none_or(|node| self.cluster.node(node).attributes.contains(name))
        };
        let found = names.iter().find(set).or(names.first());
        found.cloned().unwrap_or_default()
    }

    /// What speaks for a node for the clone as a whole.
    fn placement(&self, instance: ResourceId, node: Option<NodeId>) -> Vec<(&'static str, Value)> {
        let clone = self.cluster.resource(instance).parent.unwrap_or(instance);
        let mut reasons: Vec<String> = Vec::new();
        let entries = node.into_iter().flat_map(|node| self.notes.at(clone, node));
        for entry in entries {
            let reason = match &entry.cause {
                crate::model::Cause::Location(location) => {
                    let id = &self.cluster.location(*location).id;
                    format!("location constraint {}", self.terms.constraint(id))
                }
                crate::model::Cause::Stickiness => "stickiness".to_owned(),
                crate::model::Cause::Dependent(colocation) => {
                    let colocation = self.cluster.colocation(*colocation);
                    format!("what {} prefers", self.name(colocation.dependent))
                }
                _ => continue,
            };
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        if reasons.is_empty() {
            reasons.push("stickiness and location constraints".to_owned());
        }
        vec![
            ("clone", self.name(clone).into()),
            ("reasons", reasons.into()),
        ]
    }
}
