//! Quorum: what is not done because it is missing, and what the policy for that is called.

use super::answer::{Statement, Value};
use super::codes::Code;
use super::{Explainer, codes};
use crate::model::{Action, QuorumPolicy, ResourceId};
use crate::transition::fencing;

fn name_of(policy: QuorumPolicy) -> &'static str {
    match policy {
        QuorumPolicy::Stop => "stop",
        QuorumPolicy::Freeze => "freeze",
        QuorumPolicy::Ignore => "ignore",
        QuorumPolicy::Demote => "demote",
        QuorumPolicy::Fence => "fence",
    }
}

impl Explainer<'_> {
    /// The policy in the word of the configuration; and where it acts like another one, why.
    pub(super) fn policy(&self) -> Vec<(&'static str, Value)> {
        let options = &self.cluster.options;
        let acts = name_of(options.no_quorum_policy);
        let word = options.no_quorum_policy_text.as_deref().unwrap_or(acts);
        let folded = word.to_ascii_lowercase();
        let fences = matches!(&*folded, "fence" | "suicide");
        let is_known = QuorumPolicy::WORDS.contains(&&*folded);
        let shown = if is_known { &folded } else { word };
        let mut parameters = vec![("policy", Value::from(shown))];
        if !is_known {
            let text = format!(
                "is not one of {} and fence and so acts like stop",
                QuorumPolicy::WORDS[..4].join(", ")
            );
            parameters.push(("acts", text.into()));
        }
        if fences && options.no_quorum_policy == QuorumPolicy::Stop {
            let why = match options.fencing_enabled {
                false => "fencing is disabled".to_owned(),
                true => format!(
                    "the {} has had no quorum since it started",
                    self.terms.cluster
                ),
            };
            parameters.push(("acts", format!("acts like stop because {why}").into()));
        }
        parameters
    }

    /// That quorum is missing, if that is the reason.
    pub(super) fn no_quorum(&self, id: ResourceId) -> Option<Statement> {
        let options = &self.cluster.options;
        if options.quorate {
            return None;
        }
        let resource = self.cluster.resource(id);
        let policy = self.policy();
        // A guest is lost with its host.
        let hosts = resource.active_on.iter().flat_map(|node| {
            let guest = self.cluster.guest_launcher(*node);
            match guest.map(|guest| &self.cluster.resource(guest).active_on) {
                Some(hosts) => hosts.to_vec(),
                None => vec![*node],
            }
        });
        let mut lost = hosts.filter(|node| self.cluster.node(*node).unclean);
        if let Some(node) = lost.find(|node| !fencing::can_fence(self.cluster, *node)) {
            let mut parameters = policy;
            parameters.push(("node", self.node_name(node).into()));
            return Some(self.say(&codes::NO_QUORUM_NO_FENCING, parameters));
        }
        let reasons = resource.actions.iter().map(|id| self.cluster.action(*id));
        let held = |action: &Action| {
            matches!(
                action.reason.as_deref(),
                Some("no quorum" | "quorum freeze")
            )
        };
        let mut reasons = reasons.filter(|action| !action.runnable && held(action));
        reasons.next()?;
        match options.no_quorum_policy {
            QuorumPolicy::Freeze => Some(self.say(&codes::NO_QUORUM_FREEZE, policy)),
            QuorumPolicy::Fence => Some(self.say(&codes::NO_QUORUM_FENCE, policy)),
            _ => Some(self.say(&codes::NO_QUORUM, policy)),
        }
    }

    /// That nothing is promoted because quorum is missing.
    pub(super) fn demoted_without_quorum(&self, code: &Code) -> Option<Statement> {
        let options = &self.cluster.options;
        let demotes = !options.quorate && options.no_quorum_policy == QuorumPolicy::Demote;
        (demotes && *code == codes::DEMOTES).then(|| self.plain(&codes::NO_QUORUM_DEMOTE))
    }

    /// That an instance is not promoted because quorum is missing.
    pub(super) fn unpromoted_without_quorum(&self) -> Option<Statement> {
        let options = &self.cluster.options;
        if options.quorate {
            return None;
        }
        match options.no_quorum_policy {
            QuorumPolicy::Demote => Some(self.plain(&codes::NO_QUORUM_DEMOTE)),
            QuorumPolicy::Freeze => Some(self.say(&codes::NO_QUORUM_FREEZE, self.policy())),
            _ => None,
        }
    }

    /// That nothing is started because quorum is missing.
    pub(super) fn starts_nothing(&self) -> Option<Statement> {
        let options = &self.cluster.options;
        let code = match options.no_quorum_policy {
            _ if options.quorate => return None,
            QuorumPolicy::Freeze => &codes::NO_QUORUM_FREEZE,
            QuorumPolicy::Stop => &codes::NO_QUORUM,
            _ => return None,
        };
        Some(self.say(code, self.policy()))
    }

    /// That quorum is missing.
    pub(super) fn without_quorum(&self) -> Option<Statement> {
        let options = &self.cluster.options;
        let ignored = options.no_quorum_policy == QuorumPolicy::Ignore;
        (!options.quorate && !ignored).then(|| self.say(&codes::WITHOUT_QUORUM, self.policy()))
    }
}
