//! Random small clusters for the properties: primitives, groups, clones, promotable clones and
//! utilization, with locations, colocations and orders between them, and some of them active,
//! failed or promoted already.

use std::fmt::Write as _;

use proptest::prelude::*;

/// A number of the setup that is taken modulo what there is of it.
type Index = usize;

#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub nodes: usize,
    pub standby: Option<Index>,
    pub fencing: bool,
    pub lost: Option<Index>,
    pub resources: Vec<Resource>,
    /// Resource, node, score.
    pub locations: Vec<(Index, Index, i32)>,
    /// Dependent, primary, score.
    pub colocations: Vec<(Index, Index, i32)>,
    pub orders: Vec<Order>,
    /// Option `placement-strategy`.
    pub strategy: &'static str,
    /// What each node holds of what [`Resource::need`] counts.
    pub capacity: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `rN`.
    Primitive,
    /// `gN` of `rN` and `mN`.
    Group,
    /// `cN` of `rN`.
    Clone,
    /// `pN` of `rN`.
    Promotable,
}

#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub kind: Kind,
    pub stopped: bool,
    pub stickiness: i32,
    pub active: Option<Index>,
    pub failed: bool,
    /// Promotable: promoted where it is active, and where it would rather be.
    pub promoted: bool,
    pub preferred: Option<Index>,
    /// What each of its primitives takes of a node's capacity.
    pub need: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub first: Index,
    pub then: Index,
    /// After the promotion of the first, if that is promotable, instead of its start.
    pub promote: bool,
}

fn resource() -> impl Strategy<Value = Resource> {
    let kind = prop_oneof![
        3 => Just(Kind::Primitive),
        2 => Just(Kind::Group),
        2 => Just(Kind::Clone),
        2 => Just(Kind::Promotable),
    ];
    let place = || proptest::option::of(0..4usize);
    (
        kind,
        0..8u8,
        0..3i32,
        place(),
        0..6u8,
        any::<bool>(),
        place(),
        0..3usize,
    )
        .prop_map(
            |(kind, stopped, stickiness, active, failed, promoted, preferred, need)| Resource {
                kind,
                stopped: stopped == 0,
                stickiness: stickiness * 50,
                active,
                failed: failed == 0,
                promoted,
                preferred,
                need,
            },
        )
}

pub(crate) fn setup() -> impl Strategy<Value = Setup> {
    let score = prop_oneof![Just(1_000_000), Just(-1_000_000), -200..200i32];
    let order = (0..6usize, 0..6usize, any::<bool>()).prop_map(|(first, then, promote)| Order {
        first,
        then,
        promote,
    });
    let strategy = prop_oneof![
        3 => Just("default"),
        1 => Just("utilization"),
        1 => Just("minimal"),
        1 => Just("balanced"),
    ];
    (
        (
            1..4usize,
            proptest::option::of(0..4usize),
            any::<bool>(),
            proptest::option::of(0..4usize),
        ),
        proptest::collection::vec(resource(), 1..6),
        proptest::collection::vec((0..6usize, 0..4usize, score.clone()), 0..5),
        proptest::collection::vec((0..6usize, 0..6usize, score), 0..4),
        proptest::collection::vec(order, 0..4),
        strategy,
        proptest::collection::vec(0..6usize, 4),
    )
        .prop_map(
            |(
                (nodes, standby, fencing, lost),
                resources,
                locations,
                colocations,
                orders,
                strategy,
                capacity,
            )| Setup {
                nodes,
                standby,
                fencing,
                lost,
                resources,
                locations,
                colocations,
                orders,
                strategy,
                capacity,
            },
        )
}

impl Setup {
    pub(crate) fn resource(&self, index: Index) -> &Resource {
        &self.resources[index % self.resources.len()]
    }

    /// The id that constraints name it by.
    fn id(&self, index: Index) -> String {
        let number = index % self.resources.len();
        let letter = match self.resource(index).kind {
            Kind::Primitive => 'r',
            Kind::Group => 'g',
            Kind::Clone => 'c',
            Kind::Promotable => 'p',
        };
        format!("{letter}{number}")
    }

    /// The ids of its primitives, without instance numbers.
    pub(crate) fn primitives(&self, index: Index) -> Vec<String> {
        let number = index % self.resources.len();
        match self.resource(index).kind {
            Kind::Group => vec![format!("r{number}"), format!("m{number}")],
            _ => vec![format!("r{number}")],
        }
    }

    /// First, then, and whether it is the promotion of the first that counts; always from the lower
    /// to the higher number: no loops, so that every order can be kept.
    pub(crate) fn orders(&self) -> impl Iterator<Item = (Index, Index, bool)> {
        let count = self.resources.len();
        self.orders
            .iter()
            .map(move |order| (order.first % count, order.then % count, order.promote))
            .filter(|(first, then, _)| first < then)
            .map(|(first, then, promote)| {
                let promotable = self.resource(first).kind == Kind::Promotable;
                (first, then, promote && promotable)
            })
    }

    /// The CIB; `reversed`: nodes, attributes and states in the opposite order, which must not
    /// matter.
    pub(crate) fn to_xml(&self, reversed: bool) -> String {
        let mut out = String::from(
            "<cib validate-with=\"pacemaker-3.9\" have-quorum=\"1\" dc-uuid=\"1\"><configuration>",
        );
        self.write(&mut out, reversed).expect("a string grows");
        out
    }

    fn write(&self, out: &mut String, reversed: bool) -> std::fmt::Result {
        let mut nodes: Vec<usize> = (0..self.nodes).collect();
        let mut states: Vec<String> = nodes
            .iter()
            .map(|node| self.state(*node, reversed))
            .collect();
        let mut options = vec![
            ("stonith-enabled", self.fencing.to_string()),
            ("have-watchdog", "true".to_owned()),
            ("concurrent-fencing", "true".to_owned()),
            ("placement-strategy", self.strategy.to_owned()),
        ];
        if reversed {
            nodes.reverse();
            options.reverse();
            // Histories are read in the order of the states, which numbers the instances of clones:
            // it stays.
            states.iter_mut().for_each(|state| state.push('\n'));
        }
        write!(out, "<crm_config><cluster_property_set id=\"o\">")?;
        for (name, value) in options {
            write!(
                out,
                "<nvpair id=\"o-{name}\" name=\"{name}\" value=\"{value}\"/>"
            )?;
        }
        write!(out, "</cluster_property_set></crm_config><nodes>")?;
        for node in nodes {
            let (number, holds) = (node + 1, self.capacity[node]);
            write!(
                out,
                "<node id=\"{number}\" uname=\"n{number}\"><utilization id=\"u{number}\"><nvpair id=\"uc{number}\" name=\"cpu\" value=\"{holds}\"/></utilization></node>"
            )?;
        }
        write!(out, "</nodes><resources>")?;
        for number in 0..self.resources.len() {
            self.write_resource(out, number)?;
        }
        write!(out, "</resources><constraints>")?;
        self.write_constraints(out)?;
        let states = states.concat();
        write!(
            out,
            "</constraints></configuration><status>{states}</status></cib>"
        )
    }

    fn write_resource(&self, out: &mut String, number: usize) -> std::fmt::Result {
        let (resource, id) = (self.resource(number), self.id(number));
        let role = if resource.stopped {
            "Stopped"
        } else {
            "Started"
        };
        let promotable = resource.kind == Kind::Promotable;
        let meta = format!(
            "<meta_attributes id=\"{id}-meta\"><nvpair id=\"{id}-s\" name=\"resource-stickiness\" value=\"{}\"/><nvpair id=\"{id}-t\" name=\"target-role\" value=\"{role}\"/><nvpair id=\"{id}-p\" name=\"promotable\" value=\"{promotable}\"/></meta_attributes>",
            resource.stickiness,
        );
        let primitive = |id: &str, meta: &str| {
            let promoted = if promotable {
                format!("<op id=\"{id}-m2\" name=\"monitor\" interval=\"11s\" role=\"Promoted\"/>")
            } else {
                String::new()
            };
            format!(
                "<primitive id=\"{id}\" class=\"ocf\" provider=\"pacemaker\" type=\"Stateful\">{meta}<operations><op id=\"{id}-m\" name=\"monitor\" interval=\"10s\"/>{promoted}</operations><utilization id=\"{id}-u\"><nvpair id=\"{id}-c\" name=\"cpu\" value=\"{}\"/></utilization></primitive>",
                resource.need
            )
        };
        if resource.kind == Kind::Primitive {
            return out.write_str(&primitive(&id, &meta));
        }
        let element = match resource.kind {
            Kind::Group => "group",
            _ => "clone",
        };
        let members: String = self
            .primitives(number)
            .iter()
            .map(|member| primitive(member, ""))
            .collect();
        write!(out, "<{element} id=\"{id}\">{meta}{members}</{element}>")
    }

    fn write_constraints(&self, out: &mut String) -> std::fmt::Result {
        for (number, (resource, node, score)) in self.locations.iter().enumerate() {
            let (id, node) = (self.id(*resource), node % self.nodes + 1);
            write!(
                out,
                "<rsc_location id=\"l{number}\" rsc=\"{id}\" node=\"n{node}\" score=\"{score}\"/>"
            )?;
        }
        for (number, (one, two, score)) in self.colocations.iter().enumerate() {
            let (one, two) = (self.id(*one), self.id(*two));
            if one != two {
                write!(
                    out,
                    "<rsc_colocation id=\"k{number}\" rsc=\"{one}\" with-rsc=\"{two}\" score=\"{score}\"/>"
                )?;
            }
        }
        for (number, (one, two, promote)) in self.orders().enumerate() {
            let action = if promote { "promote" } else { "start" };
            let (one, two) = (self.id(one), self.id(two));
            write!(
                out,
                "<rsc_order id=\"q{number}\" first=\"{one}\" first-action=\"{action}\" then=\"{two}\" then-action=\"start\"/>"
            )?;
        }
        Ok(())
    }

    fn state(&self, node: usize, reversed: bool) -> String {
        let number = node + 1;
        let lost = self.lost == Some(node) && self.nodes > 1;
        let mut membership = if lost {
            vec![
                "in_ccm=\"false\"",
                "crmd=\"offline\"",
                "join=\"down\"",
                "expected=\"member\"",
            ]
        } else {
            vec![
                "in_ccm=\"true\"",
                "crmd=\"online\"",
                "join=\"member\"",
                "expected=\"member\"",
            ]
        };
        if reversed {
            membership.reverse();
        }
        let mut attributes = String::new();
        if self.standby == Some(node) {
            attributes += &format!("<nvpair id=\"y{number}\" name=\"standby\" value=\"on\"/>");
        }
        let mut histories = String::new();
        for (index, resource) in self.resources.iter().enumerate() {
            if resource.preferred.map(|node| node % self.nodes) == Some(node) {
                attributes += &format!(
                    "<nvpair id=\"a{number}-{index}\" name=\"master-r{index}\" value=\"10\"/>"
                );
            }
            for primitive in self.primitives(index) {
                let active = resource.active.map(|active| active % self.nodes) == Some(node);
                histories += &history(&primitive, resource, active);
            }
        }
        format!(
            "<node_state id=\"{number}\" uname=\"n{number}\" {}><transient_attributes id=\"{number}\"><instance_attributes id=\"i{number}\">{attributes}</instance_attributes></transient_attributes><lrm id=\"{number}\"><lrm_resources>{histories}</lrm_resources></lrm></node_state>",
            membership.join(" ")
        )
    }
}

/// What one node remembers of one primitive.
fn history(id: &str, resource: &Resource, active: bool) -> String {
    let entry = |name: &str, operation: &str, interval: u32, call: u32, rc: u8, expected: u8| {
        let key = format!("{call}:1:{expected}:0c1a5f5e-2222-4333-8444-555566667777");
        format!(
            "<lrm_rsc_op id=\"{id}_{name}_0\" operation_key=\"{id}_{operation}_{interval}\" operation=\"{operation}\" interval=\"{interval}\" call-id=\"{call}\" rc-code=\"{rc}\" op-status=\"0\" transition-key=\"{key}\" transition-magic=\"0:{rc};{key}\" last-rc-change=\"160000000{call}\"/>"
        )
    };
    let mut entries = if active {
        entry("last", "start", 0, 1, 0, 0)
    } else {
        entry("last", "monitor", 0, 1, 7, 7)
    };
    if active && resource.promoted && resource.kind == Kind::Promotable {
        entries += &entry("promoted", "promote", 0, 2, 0, 0);
    }
    if active && resource.failed {
        entries += &entry("last_failure", "monitor", 10_000, 3, 7, 0);
    }
    format!(
        "<lrm_resource id=\"{id}\" class=\"ocf\" provider=\"pacemaker\" type=\"Stateful\">{entries}</lrm_resource>"
    )
}
