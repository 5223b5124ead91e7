//! A copy of the state in which assemblies are lost or something else is otherwise, followed until
//! the policy engine has nothing more to do.

use std::collections::{BTreeMap, BTreeSet};

use policy_engine::model::{NodeId, Resource, ResourceId, Role};
use policy_engine::xml::{Document, Element, ElementId};
use policy_engine::{Cib, RunOptions, Schedule, Zone, simulation};

use crate::vocabulary::{AssemblyId, ServiceId, Zones, does_nothing};

/// Transitions that are followed. One moves what a loss has stopped; further ones move what had to
/// wait for it. More than some show a configuration that does not come to rest.
const MOST_ROUNDS: usize = 8;
/// Name of an assembly that is not there: none of a document can have it.
const ONE_MORE: &str = "one.more";

/// Amounts of capacity, by kind.
pub(super) type Amounts = BTreeMap<String, i64>;

/// What is otherwise in a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// These constraints are not there.
    Without(String),
    /// An assembly has these capacities.
    Capacity(String, Amounts),
    /// There is one more assembly, with these capacities.
    OneMore(Amounts),
    /// Nothing of this service has failed.
    Forget(ServiceId),
    /// A switch of an assembly is off: `standby`, `maintenance`.
    Off(String, &'static str),
}

/// A state, as the policy engine's input.
#[derive(Clone, Debug)]
pub(super) struct World {
    cib: Cib,
    now_s: i64,
    zone: Zone,
}

/// How much of a service runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Runs {
    pub instances: u32,
    pub promoted: u32,
}

/// A world in which nothing is left to do.
#[derive(Debug)]
pub(super) struct Settled {
    pub world: World,
    /// The last decision: that there is nothing to do.
    pub schedule: Schedule,
    /// What runs.
    pub runs: BTreeMap<ServiceId, Runs>,
}

impl World {
    /// Reads an input.
    ///
    /// # Errors
    /// Why it cannot be decided about.
    pub(super) fn parse(cib: &str, now_s: i64, zones: Zones) -> Result<World, String> {
        let cib = Cib::parse_accepted(cib).map_err(|error| error.to_string())?;
        let zone = cib.zone(zones)?;
        Ok(World { cib, now_s, zone })
    }

    /// These assemblies are lost, and safe: nothing runs there, and nobody answers.
    pub(super) fn lose(&mut self, lost: &[AssemblyId]) {
        let lost: BTreeSet<&str> = lost.iter().map(AssemblyId::as_str).collect();
        let document = self.cib.document_mut();
        for (state, name) in states(document) {
            if !lost.contains(&*name) {
                continue;
            }
            let own = document.element(state).children();
            let told: Vec<ElementId> = own.map(Element::id).collect();
            told.into_iter().for_each(|child| document.remove(child));
            for (key, value) in [
                ("in_ccm", "false"),
                ("crmd", "offline"),
                ("join", "down"),
                ("expected", "down"),
            ] {
                document.set(state, key, value);
            }
        }
    }

    /// Makes a change.
    pub(super) fn change(&mut self, change: &Change) {
        let document = self.cib.document_mut();
        match change {
            Change::Without(id) => {
                let all = document.section("constraints").into_iter();
                let own = all.flat_map(Element::children);
                let own = own.filter(|own| own.get("id") == Some(id)).map(Element::id);
                let found: Vec<ElementId> = own.collect();
                found.into_iter().for_each(|own| document.remove(own));
            }
            Change::Capacity(name, amounts) => {
                let nodes = document.section("nodes").into_iter();
                let own = nodes.flat_map(Element::children);
                let own = own.filter(|own| own.get("uname") == Some(name));
                let found: Vec<ElementId> = own.map(Element::id).collect();
                for node in found {
                    capacity(document, node, name, amounts);
                }
            }
            Change::OneMore(amounts) => add_assembly(document, amounts),
            Change::Forget(service) => remove_values(document, None, |name| {
                let of = |start: &str| {
                    let rest = name.strip_prefix(start)?;
                    Some(ServiceId::of_resource(rest.split('#').next()?) == *service)
                };
                of("fail-count-").or_else(|| of("last-failure-")) == Some(true)
            }),
            Change::Off(assembly, switch) => {
                remove_values(document, Some(assembly), |name| name == *switch);
            }
        }
    }

    /// Whether such a change would change anything.
    pub(super) fn has_switch_on(&self, assembly: &str, switch: &str) -> bool {
        let document = self.cib.document();
        let mut own = values(document, Some(assembly));
        own.any(|value| value.get("name") == Some(switch) && value.get("value") == Some("true"))
    }

    /// Whether something of a service has failed, and that counts.
    pub(super) fn has_failures(&self, service: &ServiceId) -> bool {
        let document = self.cib.document();
        let names = values(document, None).filter_map(|value| value.get("name"));
        let mut failed =
            names.filter_map(|name| name.strip_prefix("fail-count-")?.split('#').next());
        failed.any(|resource| ServiceId::of_resource(resource) == *service)
    }

    /// The constraint of that id, if it places something.
    pub(super) fn location(&self, id: &str) -> Option<Element<'_>> {
        let all = self.cib.document().section("constraints")?;
        let mut own = all.children_named("rsc_location");
        own.find(|own| own.get("id") == Some(id))
    }

    /// Follows what the policy engine decides to its end.
    pub(super) fn settle(self) -> Settled {
        self.follow(|_| {})
    }

    /// As [`World::settle`], until `goes_on` says no before it has come to its end.
    pub(super) fn settle_while(self, goes_on: &mut dyn FnMut() -> bool) -> Option<Settled> {
        let mut is_over = false;
        let settled = self.follow_while(|_| {
            is_over = !goes_on();
            !is_over
        });
        (!is_over).then_some(settled)
    }

    /// As [`World::settle`]; `carried_out` sees each decision before it is carried out.
    fn follow(self, mut carried_out: impl FnMut(&Schedule)) -> Settled {
        self.follow_while(|schedule| {
            carried_out(schedule);
            true
        })
    }

    /// The same, until that says no.
    fn follow_while(mut self, mut goes_on: impl FnMut(&Schedule) -> bool) -> Settled {
        let mut schedule = self.decide(false);
        for _ in 1..MOST_ROUNDS {
            if does_nothing(&schedule.graph) || !goes_on(&schedule) {
                break;
            }
            let Schedule { cluster, graph, .. } = &schedule;
            simulation::execute(&mut self.cib, cluster, graph, &[], self.now_s);
            schedule = self.decide(false);
        }
        Settled {
            runs: runs(&schedule),
            world: self,
            schedule,
        }
    }

    fn decide(&self, explain: bool) -> Schedule {
        let options = RunOptions {
            explain,
            zone: self.zone.clone(),
            ..RunOptions::default()
        };
        policy_engine::schedule(&self.cib, self.now_s, options)
    }
}

impl Settled {
    /// What further worlds need of it. A decision about a large deployment takes much memory: none
    /// is kept beside the next one.
    pub(super) fn without_its_decision(self) -> (World, BTreeMap<ServiceId, Runs>) {
        (self.world, self.runs)
    }

    /// The last decision again, with its reasons.
    pub(super) fn explained(&self) -> Schedule {
        self.world.decide(true)
    }

    /// What a service has.
    pub(super) fn of(&self, service: &ServiceId) -> Runs {
        self.runs.get(service).copied().unwrap_or_default()
    }

    /// What this number of instances of a service would take that do not run.
    pub(super) fn needs(&self, service: &ServiceId, count: u32) -> Amounts {
        let idle = leaves(&self.schedule).filter(|(_, own)| own.active_on.is_empty());
        let own = idle.filter(|(_, own)| ServiceId::of_resource(&own.config_id) == *service);
        let mut needs = Amounts::new();
        for (_, resource) in own.take(count as usize) {
            add(&mut needs, resource, 1);
        }
        needs
    }

    /// Assemblies that answer, with what is configured there and what of it is free.
    pub(super) fn capacities(&self) -> Vec<(String, Amounts, Amounts)> {
        let cluster = &self.schedule.cluster;
        let nodes = cluster.nodes.iter().enumerate();
        let usable = nodes.filter(|(_, node)| node.online && !node.unclean);
        let amounts = usable.map(|(index, node)| {
            let pairs = node.utilization.iter();
            let pairs = pairs.map(|(kind, text)| (kind.to_string(), amount(text)));
            let all: Amounts = pairs.collect();
            let mut free = all.clone();
            let here = |own: &Resource| own.active_on.contains(&NodeId::new(index));
            for (_, resource) in leaves(&self.schedule).filter(|(_, own)| here(own)) {
                add(&mut free, resource, -1);
            }
            (node.name.to_string(), all, free)
        });
        amounts.collect()
    }
}

/// The configured primitives with their instances.
pub(super) fn leaves(schedule: &Schedule) -> impl Iterator<Item = (ResourceId, &Resource)> {
    let all = schedule.cluster.resources.iter().enumerate();
    let own = all.filter(|(_, own)| own.is_primitive() && !own.removed);
    own.map(|(index, own)| (ResourceId::new(index), own))
}

fn runs(schedule: &Schedule) -> BTreeMap<ServiceId, Runs> {
    let mut all: BTreeMap<ServiceId, Runs> = BTreeMap::new();
    for (_, resource) in leaves(schedule).filter(|(_, own)| !own.active_on.is_empty()) {
        let service = ServiceId::of_resource(&resource.config_id);
        let own = all.entry(service).or_default();
        own.instances += 1;
        own.promoted += u32::from(resource.role == Role::Promoted);
    }
    all
}

fn amount(text: &str) -> i64 {
    text.trim().parse().unwrap_or(0)
}

/// Adds what a resource takes, `times` times.
fn add(amounts: &mut Amounts, resource: &Resource, times: i64) {
    for (kind, text) in resource.utilization.iter() {
        let own = amounts.entry(kind.to_string()).or_default();
        *own = own.saturating_add(amount(text).saturating_mul(times));
    }
}

/// The states of assemblies, with their names.
fn states(document: &Document) -> Vec<(ElementId, String)> {
    let states = document.section("status").into_iter();
    let states = states.flat_map(|status| status.children_named("node_state"));
    let named = states.filter_map(|state| Some((state.id(), state.get("uname")?.to_owned())));
    named.collect()
}

/// Values that hold for a boot, of an assembly or of all.
fn values<'d>(
    document: &'d Document,
    assembly: Option<&'d str>,
) -> impl Iterator<Item = Element<'d>> {
    let states = document.section("status").into_iter();
    let states = states.flat_map(|status| status.children_named("node_state"));
    let own = states.filter(move |own| assembly.is_none_or(|name| own.get("uname") == Some(name)));
    let own = own.flat_map(|own| own.children_named("transient_attributes"));
    let values = own.flat_map(Element::descendants);
    values.filter(|own| own.name() == "nvpair")
}

fn remove_values(document: &mut Document, assembly: Option<&str>, is_meant: impl Fn(&str) -> bool) {
    let own = values(document, assembly).filter(|own| own.get("name").is_some_and(&is_meant));
    let found: Vec<ElementId> = own.map(Element::id).collect();
    found.into_iter().for_each(|own| document.remove(own));
}

/// Gives a node capacities that are stronger than those of the configuration.
fn capacity(document: &mut Document, node: ElementId, name: &str, amounts: &Amounts) {
    if amounts.is_empty() {
        return;
    }
    let set = document.append(node, "utilization");
    let id = format!("room.{name}");
    document.set(set, "id", &id);
    document.set(set, "score", "INFINITY");
    for (kind, amount) in amounts {
        let pair = document.append(set, "nvpair");
        document.set(pair, "id", &format!("{id}.{kind}"));
        document.set(pair, "name", kind);
        document.set(pair, "value", &amount.to_string());
    }
}

/// Adds an assembly that answers, and in which nothing runs.
fn add_assembly(document: &mut Document, amounts: &Amounts) {
    let section = |name| document.section(name).map(Element::id);
    let (Some(nodes), Some(status)) = (section("nodes"), section("status")) else {
        return;
    };
    let node = document.append(nodes, "node");
    document.set(node, "id", ONE_MORE);
    document.set(node, "uname", ONE_MORE);
    capacity(document, node, ONE_MORE, amounts);
    let state = document.append(status, "node_state");
    for (key, value) in [
        ("id", ONE_MORE),
        ("uname", ONE_MORE),
        ("in_ccm", "true"),
        ("crmd", "online"),
        ("join", "member"),
        ("expected", "member"),
    ] {
        document.set(state, key, value);
    }
    let history = document.append(state, "lrm");
    document.set(history, "id", ONE_MORE);
    document.append(history, "lrm_resources");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::only_utc;

    /// Two assemblies with memory, and a service that takes some.
    const WITH_MEMORY: &str = r#"<cib admin_epoch="1" epoch="1" num_updates="0" validate-with="pacemaker-4.0" have-quorum="true">
      <configuration>
        <crm_config><cluster_property_set id="o">
          <nvpair id="o-1" name="placement-strategy" value="balanced"/>
          <nvpair id="o-2" name="stonith-enabled" value="false"/>
        </cluster_property_set></crm_config>
        <nodes>
          <node id="n1" uname="n1"><utilization id="u1"><nvpair id="m1" name="memory" value="4096"/></utilization></node>
          <node id="n2" uname="n2"><utilization id="u2"><nvpair id="m2" name="memory" value="4096"/></utilization></node>
        </nodes>
        <resources><primitive id="web" class="ocf" provider="sim" type="Simulated">
          <utilization id="u3"><nvpair id="m3" name="memory" value="2048"/></utilization>
        </primitive></resources>
        <constraints/>
      </configuration>
      <status>
        <node_state id="n1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member">
          <lrm id="n1"><lrm_resources/></lrm>
        </node_state>
        <node_state id="n2" uname="n2" in_ccm="true" crmd="online" join="member" expected="member">
          <lrm id="n2"><lrm_resources/></lrm>
        </node_state>
      </status>
    </cib>"#;

    #[test]
    fn a_world_is_kept_without_the_decision_about_it() {
        let world = World::parse(WITH_MEMORY, 1_800_000_000, only_utc).unwrap();
        let settled = world.settle();
        let users = |world: &World| std::sync::Arc::strong_count(world.cib.document());
        assert_eq!(users(&settled.world), 2, "the decision has the state, too");
        let (world, _) = settled.without_its_decision();
        assert_eq!(users(&world), 1);
    }

    #[test]
    fn a_world_with_capacities_comes_to_rest() {
        let world = World::parse(WITH_MEMORY, 1_800_000_000, only_utc).unwrap();
        let mut carried_out = 0;
        let settled = world.follow(|_| carried_out += 1);
        assert_eq!(carried_out, 1, "it looks and starts, and that is all");
        let runs = settled.of(&"web".into());
        assert_eq!((runs.instances, runs.promoted), (1, 0));
        // What orders others is in the decision still: it changes nothing to carry that out.
        let Schedule { cluster, graph, .. } = &settled.schedule;
        assert!(!graph.synapses.is_empty());
        let mut further = settled.world.clone();
        simulation::execute(&mut further.cib, cluster, graph, &[], further.now_s);
        assert_eq!(super::runs(&further.decide(false)), settled.runs);

        carried_out = 0;
        for name in ["n1", "n2"] {
            let mut lost = settled.world.clone();
            lost.lose(&[name.into()]);
            let after = lost.follow(|_| carried_out += 1);
            assert_eq!(after.of(&"web".into()).instances, 1, "{name}");
        }
        assert_eq!(carried_out, 1, "one of the losses moves it");
    }
}
