//! Values beyond the document that parameters of services follow: when they count, and what they
//! are.
//!
//! What a guest tells is believed of itself only. What counts is a durable fact before anything
//! follows from it, so that a DPE that is started again decides by the same values.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use deployment::{GuestSecret, LiveReference, LiveSource, OnChange, quote};

use super::Controller;
use super::resolve::{Given, KEPT};
use crate::machines::told::{KnownFacts, KnownValue};
use crate::machines::values;
use crate::vocabulary::{
    AssemblyId, CONFIGURE, FORCE_RESTART, Goal, Holder, MIGRATE_SOURCE, Operation, Record,
    ServiceId, Spec, Task, Time, Waits,
};

/// What the guest is, as it says itself: no fact of its network.
const MACHINE_ID: &str = "machine_id";

impl Controller {
    /// A guest tells its name and its addresses, over its present stream.
    pub(crate) fn facts_changed(
        &mut self,
        now: Time,
        name: &AssemblyId,
        facts: BTreeMap<String, String>,
    ) {
        let assembly = self.assemblies.get_mut(name);
        let Some(assembly) = assembly.filter(|own| own.contact().is_up()) else {
            return;
        };
        if let Some(facts) = assembly.told_mut().hear(facts, now.boottime_us) {
            self.take_facts(now, name, facts);
        }
    }

    /// What a guest tells of itself, in place of what it told before.
    pub(crate) fn take_facts(
        &mut self,
        now: Time,
        name: &AssemblyId,
        mut facts: BTreeMap<String, String>,
    ) {
        // A former incarnation is another guest than the document means.
        if !self.document.names(name) {
            return;
        }
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        let machine_id = assembly.hello().machine_id.clone();
        // It may become the parameter of a resource agent elsewhere: no other text does.
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if (1..=64).contains(&machine_id.len()) && machine_id.bytes().all(is_allowed) {
            facts.insert(MACHINE_ID.to_owned(), machine_id);
        }
        let nothing = KnownFacts::default();
        let known = self.store.known().get(name).unwrap_or(&nothing);
        let first = assembly.told_mut().take(&facts, known, now.boottime_us);
        if known.is_full() && !first.is_empty() {
            let own = self.live().iter().filter(|it| name == it.assembly.as_str());
            let followed: BTreeSet<String> = own.map(|it| it.source.name().to_owned()).collect();
            let told = self.store.known_mut(name);
            told.forget_guests(|what| facts.contains_key(what) || followed.contains(what));
        }
        self.learn(now, name, first);
    }

    /// Values of a guest count from now on.
    fn learn(&mut self, now: Time, name: &AssemblyId, values: Vec<(String, String)>) {
        for (what, value) in values {
            self.store.known_mut(name).learn(&what, &value, now.wall_us);
            let is_followed = |it: &LiveReference| {
                name == it.assembly.as_str() && it.source == LiveSource::Guest(what.clone())
            };
            if self.live().iter().any(is_followed) {
                let reason = format!("{what} of {name} is {}", quote(&value));
                self.value_changed(now, &reason);
            }
        }
    }

    /// What guests have told long enough counts.
    pub(crate) fn age_told(&mut self, now: Time) {
        let (mut due, mut held) = (Vec::new(), Vec::new());
        for (name, assembly) in &mut self.assemblies {
            let facts = assembly.told_mut().take_held(now.boottime_us);
            held.extend(facts.map(|facts| (name.clone(), facts)));
            let values = assembly.told_mut().take_due(now.boottime_us);
            if !values.is_empty() {
                due.push((name.clone(), values));
            }
        }
        for (name, values) in due {
            self.learn(now, &name, values);
        }
        for (name, facts) in held {
            self.take_facts(now, &name, facts);
        }
    }

    /// Keeps what the policy engine is about to be told of node attributes that parameters follow.
    /// That one changes is a reason to decide already.
    pub(super) fn note_attributes(&mut self, now: Time) {
        let mut changes = Vec::new();
        for reference in self.live() {
            let LiveSource::Attribute(what) = &reference.source else {
                continue;
            };
            let name = AssemblyId::from(reference.assembly.as_str());
            let known = self.store.known().get(&name);
            let known = known.and_then(|known| known.attributes().get(what));
            let found = self.attribute_now(&name, what);
            match (found, known) {
                (Some((value, permanent)), known)
                    if known.is_none_or(|it| it.value != value || it.permanent != permanent) =>
                {
                    let since = now.wall_us;
                    changes.push((
                        name,
                        what.clone(),
                        Some(KnownValue {
                            value,
                            since,
                            permanent,
                        }),
                    ));
                }
                // That a boot's is gone says nothing: its guest may be away, or not as far yet.
                (None, Some(known)) if known.permanent => changes.push((name, what.clone(), None)),
                _ => {}
            }
        }
        for (name, what, value) in changes {
            self.store.known_mut(&name).put_attribute(what, value);
        }
    }

    /// A node attribute that is set beside the document now, and whether it is a permanent one.
    fn attribute_now(&self, name: &AssemblyId, what: &str) -> Option<(String, bool)> {
        let assembly = self.assemblies.get(name);
        let of_boot = assembly.and_then(|own| own.attributes().in_force().get(what));
        if let Some(value) = of_boot {
            return Some((value.clone(), false));
        }
        let holder = Holder::Assembly(name.clone());
        let mut permanent = values::of(self.store.values(), &holder);
        let value = permanent.find(|(known, _)| *known == what)?.1;
        Some((value.to_owned(), true))
    }

    /// The references of the document in force.
    pub(crate) fn live(&self) -> &[LiveReference] {
        self.document.spec().map_or(&[], |spec| &spec.live)
    }

    /// What is known of the value that a reference leads to.
    pub(crate) fn known_value(&self, reference: &LiveReference) -> Option<&KnownValue> {
        let known = self.store.known().get(reference.assembly.as_str())?;
        match &reference.source {
            LiveSource::Guest(name) => known.guest().get(name),
            LiveSource::Attribute(name) => known.attributes().get(name),
        }
    }

    /// The value that a reference leads to.
    pub(crate) fn value_of<'a>(&'a self, reference: &'a LiveReference) -> Option<&'a str> {
        let known = self.known_value(reference).map(|known| &known.value);
        // Somebody in another guest could have this one read any of its files.
        let known = known.filter(|value| GuestSecret::of_value(value).is_none());
        known.or(reference.fallback.as_ref()).map(String::as_str)
    }

    /// What the policy engine gets for each reference of a document.
    pub(crate) fn given(&self, spec: &Spec) -> Vec<Given> {
        let given = spec.live.iter().map(|reference| {
            match (self.value_of(reference), reference.on_change) {
                (None, _) if self.runs_where_nothing_stays(spec, reference) => Given::Leaves,
                (None, _) => Given::Unknown,
                (Some(_), OnChange::Ignore) => Given::Value(KEPT.to_owned()),
                (Some(value), _) => Given::Value(value.to_owned()),
            }
        });
        given.collect()
    }

    /// Whether what follows this value may run in an assembly that the document no longer names.
    /// Left alone there, it could wait for ever: the guest that tells the value may have that
    /// address, and is connected only when nothing runs in the former.
    fn runs_where_nothing_stays(&self, spec: &Spec, reference: &LiveReference) -> bool {
        let whole = spec.resources.iter();
        let mut whole = whole.filter(|it| it.name.as_str() == reference.whole);
        let parts: BTreeSet<ServiceId> = whole.next().map_or_else(BTreeSet::new, |whole| {
            let parts = whole.all().into_iter();
            parts.map(|it| it.name.as_str().into()).collect()
        });
        let mut retired = self.assemblies.iter();
        retired.any(|(name, assembly)| {
            let mut resources = assembly.history().resources();
            !spec.assemblies.contains_key(name)
                && resources.any(|(resource, _)| {
                    parts.contains(&ServiceId::of_resource(resource))
                        && assembly.history().may_run(resource)
                })
        })
    }

    /// The services of a document that wait for a value, with what they wait for.
    pub(crate) fn waiting(&self, spec: &Spec) -> BTreeMap<ServiceId, Waits> {
        waits_of(spec, |reference| self.value_of(reference).is_none())
    }

    /// Says of services why they wait, if it is for a value.
    pub(crate) fn note_waiting(&self, goals: &mut BTreeMap<ServiceId, Goal>) {
        let Some(spec) = self.document.spec() else {
            return;
        };
        for (service, waits) in self.waiting(spec) {
            if let Some(goal) = goals.get_mut(&service) {
                goal.enabled = false;
                goal.waits = Some(waits);
            }
        }
    }

    /// Gives an operation the values that its service keeps from its start on: that with which it
    /// runs, and to start it those of now.
    pub(crate) fn give_kept(&self, operation: &mut Operation, node: &AssemblyId) {
        let service = ServiceId::of_resource(&operation.resource);
        let kept = self
            .live()
            .iter()
            .filter(|it| it.on_change == OnChange::Ignore);
        for reference in kept.filter(|it| service == *it.service.as_str()) {
            let name = &reference.parameter;
            if operation.parameters.get(name).is_none_or(|it| it != KEPT) {
                continue;
            }
            let running = self.value_in_use(operation, node, name);
            let running = running.filter(|_| operation.action != Task::Start).cloned();
            let value = running.or_else(|| self.value_of(reference).map(str::to_owned));
            match value {
                Some(value) => drop(operation.parameters.insert(name.clone(), value)),
                None => drop(operation.parameters.remove(name)),
            }
        }
    }

    /// The value of a parameter with which a service runs: where a live migration takes it from,
    /// else where the operation is, else anywhere. Where it does not run, its last start is long
    /// over.
    fn value_in_use(
        &self,
        operation: &Operation,
        node: &AssemblyId,
        name: &str,
    ) -> Option<&String> {
        let resource = operation.resource.as_str();
        let source = operation.annotations.get(MIGRATE_SOURCE);
        let source = source.filter(|_| operation.action == Task::MigrateFrom);
        let source = source.and_then(|name| self.assemblies.get(name.as_str()));
        let here = self.assemblies.get(node);
        let places = here.into_iter().chain(self.assemblies.values());
        let runs = places.filter(|own| own.history().may_run(resource));
        let mut starts = source
            .into_iter()
            .chain(runs)
            .filter_map(|own| own.history().definition(resource));
        starts.next()?.operation.parameters.get(name)
    }

    /// Forgets what is known of assemblies that the next document does not name, and of attributes
    /// that none of its parameters follows.
    pub(crate) fn forget_known(&mut self, next: &Spec) {
        let known = self.store.known().keys().cloned();
        for name in known.collect::<Vec<_>>() {
            if !next.assemblies.contains_key(&name) {
                self.store.forget_known(&name);
                continue;
            }
            let own = next.live.iter().filter(|it| name == it.assembly.as_str());
            let followed: BTreeSet<&str> = own.map(|it| it.source.name()).collect();
            let mut attributes = self.store.known()[&name].attributes().keys();
            if attributes.any(|name| !followed.contains(name.as_str())) {
                let known = self.store.known_mut(&name);
                known.forget_attributes(|name| followed.contains(name));
            }
        }
    }
}

/// The services that wait, where these references have no value, with what they wait for.
pub(super) fn waits_of(
    spec: &Spec,
    is_unknown: impl Fn(&LiveReference) -> bool,
) -> BTreeMap<ServiceId, Waits> {
    let unknown = spec.live.iter().filter(|it| is_unknown(it));
    let unknown: BTreeMap<&str, &LiveReference> =
        unknown.map(|it| (it.whole.as_str(), it)).collect();
    let mut waiting = BTreeMap::new();
    for whole in spec.resources.iter().filter(|_| !unknown.is_empty()) {
        if let Some(reference) = unknown.get(whole.name.as_str()) {
            let parts = whole.all().into_iter();
            let waits = Waits::Value(describe(reference));
            waiting.extend(parts.map(|it| (it.name.as_str().into(), waits.clone())));
        }
    }
    waiting
}

/// What a parameter follows, for people.
pub(crate) fn describe(reference: &LiveReference) -> String {
    let (name, assembly) = (quote(reference.source.name()), &reference.assembly);
    match reference.source {
        LiveSource::Guest(_) => format!("{name} of the guest of {assembly}"),
        LiveSource::Attribute(_) => format!("node attribute {name} of {assembly}"),
    }
}

/// Parameters that follow values beyond the document, and services with a configure executable, as
/// records of these services are told to the policy engine.
#[derive(Clone, Debug)]
pub(crate) struct Followed<'a> {
    live: &'a [LiveReference],
    configured: BTreeSet<&'a ServiceId>,
}

impl<'a> Followed<'a> {
    /// Those of a document.
    pub(crate) fn by(spec: &'a Spec) -> Followed<'a> {
        let services = spec.services.iter();
        let configured = services.filter(|service| service.configure.is_some());
        Followed {
            live: &spec.live,
            configured: configured.map(|service| &service.id).collect(),
        }
    }

    /// A record as the policy engine is to see it. A parameter with `ignore` has what the engine is
    /// told in its place, so it sees no change; one with `restart` forces a restart, also where the
    /// agent could take the value over. So does each of a service that has, or had, a configure
    /// executable, which is run before a start.
    pub(crate) fn seen<'r>(&self, record: &'r Record) -> Cow<'r, Record> {
        let annotations = &record.operation.annotations;
        let reloads = annotations.contains_key(FORCE_RESTART);
        let had = annotations.contains_key(CONFIGURE);
        if self.live.is_empty() && !(reloads && (had || !self.configured.is_empty())) {
            return Cow::Borrowed(record);
        }
        let service = ServiceId::of_resource(&record.operation.resource);
        if reloads && (had || self.configured.contains(&service)) {
            let mut restarts = record.clone();
            restarts.operation.annotations.remove(FORCE_RESTART);
            return Cow::Owned(self.with_values(&restarts, &service).into_owned());
        }
        self.with_values(record, &service)
    }

    fn with_values<'r>(&self, record: &'r Record, service: &ServiceId) -> Cow<'r, Record> {
        let live = self.live.iter();
        let mut own = live.filter(|it| *service == *it.service.as_str());
        let Some(first) = own.next() else {
            return Cow::Borrowed(record);
        };
        let mut record = record.clone();
        let Operation {
            parameters,
            annotations,
            ..
        } = &mut record.operation;
        for reference in std::iter::once(first).chain(own) {
            let name = reference.parameter.as_str();
            match reference.on_change {
                OnChange::Reload => {}
                OnChange::Ignore => {
                    if let Some(value) = parameters.get_mut(name) {
                        KEPT.clone_into(value);
                    }
                }
                OnChange::Restart => {
                    if let Some(names) = annotations.get_mut(FORCE_RESTART)
                        && !names.split_ascii_whitespace().any(|known| known == name)
                    {
                        *names = format!(" {} {name} ", names.trim());
                    }
                }
            }
        }
        Cow::Owned(record)
    }
}
