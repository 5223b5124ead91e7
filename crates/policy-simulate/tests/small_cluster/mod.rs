//! Small inputs for questions, and their answers.

#![allow(dead_code, reason = "each test takes what it needs")]

use policy_engine::explain::{self, Detail, Question, Terms};
use policy_engine::{Cib, RunOptions, schedule};

pub(crate) const STOPPED: &[(&str, &str)] = &[("target-role", "Stopped")];

/// Two nodes, n1 and n2, that are online.
#[derive(Default)]
pub(crate) struct Input<'i> {
    pub(crate) options: &'i [(&'i str, &'i str)],
    /// What the elements of the nodes hold.
    pub(crate) nodes: [&'i str; 2],
    pub(crate) resources: String,
    pub(crate) constraints: &'i str,
    /// A transient attribute of the first node.
    pub(crate) attribute: Option<(&'i str, &'i str)>,
    /// What ran on the nodes: histories of resources.
    pub(crate) histories: [String; 2],
    pub(crate) no_quorum: bool,
}

impl Input<'_> {
    /// What is answered about a resource, with fencing disabled unless the options say otherwise.
    pub(crate) fn answer(&self, resource: &str) -> String {
        self.asked(Question {
            resource: Some(resource),
            node: None,
        })
    }

    pub(crate) fn about_node(&self, node: &str) -> String {
        self.asked(Question {
            resource: None,
            node: Some(node),
        })
    }

    fn asked(&self, question: Question<'_>) -> String {
        self.asked_in(question, &Terms::CLUSTER)
    }

    /// What is answered in these words.
    pub(crate) fn asked_in(&self, question: Question<'_>, terms: &Terms) -> String {
        answer_to(&self.text(), question, terms)
    }

    pub(crate) fn text(&self) -> String {
        let pair = |(name, value): &(&str, &str)| {
            format!(r#"<nvpair id="p-{name}" name="{name}" value="{value}"/>"#)
        };
        let options: String = self.options.iter().map(pair).collect();
        let known = self
            .options
            .iter()
            .any(|(name, _)| *name == "stonith-enabled");
        let fencing = match known {
            true => "",
            false => r#"<nvpair id="o-f" name="stonith-enabled" value="false"/>"#,
        };
        let attribute = self.attribute.iter().map(pair).collect::<String>();
        let node = |n: usize| {
            format!(
                r#"<node id="{n}" uname="n{n}">{}</node>"#,
                self.nodes[n - 1]
            )
        };
        let state = |n: usize, attributes: &str| {
            format!(
                r#"<node_state id="{n}" uname="n{n}" in_ccm="true" crmd="online" join="member" expected="member">
                     <transient_attributes id="{n}"><instance_attributes id="t{n}">{attributes}</instance_attributes></transient_attributes>
                     <lrm id="{n}"><lrm_resources>{}</lrm_resources></lrm></node_state>"#,
                self.histories[n - 1]
            )
        };
        format!(
            r#"<cib validate-with="pacemaker-3.9" have-quorum="{}" dc-uuid="1"><configuration>
                 <crm_config><cluster_property_set id="o">{fencing}{options}</cluster_property_set></crm_config>
                 <nodes>{}{}</nodes><resources>{}</resources><constraints>{}</constraints></configuration>
               <status>{}{}</status></cib>"#,
            !self.no_quorum,
            node(1),
            node(2),
            self.resources,
            self.constraints,
            state(1, &attribute),
            state(2, "")
        )
    }
}

/// What is answered about an input.
pub(crate) fn answer_to(input: &str, question: Question<'_>, terms: &Terms) -> String {
    let cib = Cib::parse(input).unwrap();
    let run = RunOptions {
        explain: true,
        ..RunOptions::default()
    };
    let schedule = schedule(&cib, 1_700_000_000, run);
    let told = explain::answer(&schedule, question, terms).unwrap();
    explain::to_text(&told, Detail::Reasons)
}

/// A primitive with a priority that needs so many cores.
pub(crate) fn primitive(id: &str, priority: u32, cores: u32) -> String {
    let utilization = match cores {
        0 => String::new(),
        cores => format!(
            r#"<utilization id="{id}-u"><nvpair id="{id}-c" name="cores" value="{cores}"/></utilization>"#
        ),
    };
    format!(
        r#"<primitive id="{id}" class="ocf" provider="pacemaker" type="Dummy"><meta_attributes id="{id}-m"><nvpair id="{id}-p" name="priority" value="{priority}"/></meta_attributes>{utilization}</primitive>"#
    )
}

fn meta_set(id: &str, meta: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| {
        format!(r#"<nvpair id="{id}-{name}" name="{name}" value="{value}"/>"#)
    };
    let pairs: String = meta.iter().map(pair).collect();
    format!(r#"<meta_attributes id="{id}-meta">{pairs}</meta_attributes>"#)
}

/// A primitive with meta attributes and operations.
pub(crate) fn with_meta(id: &str, meta: &[(&str, &str)], operations: &str) -> String {
    let set = meta_set(id, meta);
    format!(
        r#"<primitive id="{id}" class="ocf" provider="pacemaker" type="Stateful">{set}<operations><op id="{id}-mon" name="monitor" interval="10s"/>{operations}</operations></primitive>"#
    )
}

/// A clone or a group.
pub(crate) fn several(kind: &str, id: &str, meta: &[(&str, &str)], inner: &str) -> String {
    format!("<{kind} id=\"{id}\">{}{inner}</{kind}>", meta_set(id, meta))
}

/// A clone, called by the id of its resource and `-clone`.
pub(crate) fn clone(id: &str, meta: &[(&str, &str)]) -> String {
    let inner = with_meta(id, &[], "");
    several("clone", &format!("{id}-clone"), meta, &inner)
}

/// The history of a resource: operations with their intervals in ms, exit codes, and the expected
/// ones.
pub(crate) fn history(id: &str, operations: &[(&str, u32, u8, u8)]) -> String {
    let digest = policy_engine::operation_digest(&Default::default());
    let entries = operations.iter().enumerate();
    let entries = entries.map(|(at, (task, interval, code, expected))| {
        let call = at + 1;
        format!(
            r#"<lrm_rsc_op id="{id}-{call}" operation_key="{id}_{task}_{interval}" operation="{task}" crm_feature_set="3.19.0" transition-key="{call}:1:{expected}:00000000-0000-4000-8000-000000000001" transition-magic="0:{code};{call}:1:{expected}:00000000-0000-4000-8000-000000000001" call-id="{call}" rc-code="{code}" op-status="0" interval="{interval}" last-rc-change="1699999000" op-digest="{digest}"/>"#
        )
    });
    let entries: String = entries.collect();
    format!(
        r#"<lrm_resource id="{id}" class="ocf" provider="pacemaker" type="Stateful">{entries}</lrm_resource>"#
    )
}

/// The history of a resource that runs.
pub(crate) fn runs(id: &str) -> String {
    history(id, &[("start", 0, 0, 0), ("monitor", 10_000, 0, 0)])
}

/// The history of a resource that ran, and whose monitor found it stopped.
pub(crate) fn failed(id: &str) -> String {
    history(id, &[("start", 0, 0, 0), ("monitor", 10_000, 7, 0)])
}

#[track_caller]
pub(crate) fn holds(answer: &str, sentence: &str) {
    assert!(
        answer.contains(sentence),
        "{sentence}\n--- is not in\n{answer}"
    );
}

#[track_caller]
pub(crate) fn lacks(answer: &str, text: &str) {
    assert!(!answer.contains(text), "{text}\n--- is in\n{answer}");
}
