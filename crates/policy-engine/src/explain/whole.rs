//! The whole: what is not as it should be, each with its cause and what to do about it.

use super::answer::{Explanation, Statement, SubjectKind, Value, constraint};
use super::{Explainer, codes};
use crate::model::{ResourceId, is_of_ban, is_of_move};

impl Explainer<'_> {
    /// All resources and nodes that are not as they should be.
    pub(super) fn whole(&self) -> Explanation {
        let cluster = self.cluster;
        let nodes: Vec<Explanation> = cluster
            .node_order
            .iter()
            .filter(|node| !cluster.is_guest(**node))
            .map(|node| self.node_verdict(*node))
            .collect();
        let leaves = cluster
            .top_level
            .iter()
            .flat_map(|top| cluster.leaves(*top));
        let resources: Vec<Explanation> = leaves.map(|leaf| self.brief(leaf)).collect();
        let (all_nodes, all) = (nodes.len(), resources.len());
        let wrong = |it: &Explanation| it.attention;
        let general = self.all_in_maintenance();
        let nodes: Vec<Explanation> = nodes.into_iter().filter(wrong).collect();
        let resources: Vec<Explanation> = resources.into_iter().filter(wrong).collect();
        let number = |count: usize| Value::Number(i64::try_from(count).unwrap_or(i64::MAX));
        let well = nodes.is_empty() && resources.is_empty();
        let outcome = match well {
            true => self.say(
                &codes::ALL_WELL,
                vec![("resources", number(all)), ("nodes", number(all_nodes))],
            ),
            false => self.say(
                &codes::ATTENTION,
                vec![
                    ("count", number(resources.len())),
                    ("all", number(all)),
                    ("node_count", number(nodes.len())),
                    ("node_all", number(all_nodes)),
                ],
            ),
        };
        let name = cluster.options.cluster_name.as_deref();
        let name = self
            .terms
            .deployment
            .as_deref()
            .or(name)
            .unwrap_or_default();
        let mut told = Explanation::new(SubjectKind::Cluster, name, outcome, None);
        told.attention = !well;
        told.remarks = self.general();
        let nodes = nodes.into_iter();
        let nodes = nodes.filter(|it| !general || it.outcome.code != &codes::ALL_IN_MAINTENANCE);
        told.parts = nodes.chain(resources).collect();
        told
    }

    /// A resource in a few words.
    fn brief(&self, id: ResourceId) -> Explanation {
        let verdict = self.verdict(id);
        let name = self.name(id);
        let kind = SubjectKind::Resource;
        let mut told = Explanation::new(kind, &name, verdict.outcome, verdict.reason);
        told.attention = verdict.attention;
        if told.attention {
            told.failures = self.failure_list(id, None);
        }
        told
    }

    /// What concerns everything.
    fn general(&self) -> Vec<Statement> {
        let options = &self.cluster.options;
        let mut remarks: Vec<Statement> = Vec::new();
        if options.fencing_enabled && !options.have_fencing_device {
            remarks.push(self.plain(&codes::NO_FENCING_DEVICE));
        }
        if options.maintenance_mode {
            remarks.push(self.plain(&codes::CLUSTER_MAINTENANCE));
        }
        if self.all_in_maintenance() && !options.maintenance_mode {
            remarks.push(self.plain(&codes::ALL_IN_MAINTENANCE));
        }
        if options.stop_all_resources {
            remarks.push(self.plain(&codes::STOP_ALL));
        }
        remarks.extend(self.without_quorum());
        let mut told: Vec<&str> = Vec::new();
        for location in &self.cluster.locations {
            let left = is_of_ban(&location.id) || is_of_move(&location.id);
            let known = self.terms.temporary.get(&*location.id);
            if let Some(known) = known.filter(|_| !told.contains(&&*location.id)) {
                told.push(&location.id);
                let parameters = vec![
                    ("entry", known.text.as_str().into()),
                    ("end", known.remedy.as_str().into()),
                ];
                remarks.push(self.say(&codes::TEMPORARY, parameters));
                continue;
            }
            if !left || told.contains(&&*location.id) {
                continue;
            }
            told.push(&location.id);
            let owner = &self.cluster.resource(location.resource).config_id;
            remarks.push(self.say(
                &codes::CONSTRAINT_LEFT,
                vec![
                    ("constraint", constraint(&location.id)),
                    ("owner", (&**owner).into()),
                ],
            ));
        }
        remarks
    }
}
