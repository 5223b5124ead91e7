//! What tools in guests ask of the whole deployment.
//!
//! ```text
//!  tool ──▶ agent ──Asked──▶ controller ──▶ facts, then Answer
//!                                  │
//!                                  └─Relay─▶ agent of another guest ──Relayed──▶ Answer
//! ```
//!
//! An answer is an effect as any other: it goes out when everything before it is durable, reads
//! too. So what a tool has been told is never lost, and what one guest reads another has written.
//! What concerns a boot belongs to the agent of its guest, which answers for it.

use std::collections::BTreeSet;

use cpe_status::limits::{MAX_VALUES, MAX_VALUES_SIZE};
use cpe_status::{ResourceStatus, ServiceRole, ServiceState};

use super::Controller;
use super::values::find;
use crate::machines::assembly::Life;
use crate::machines::values;
use crate::vocabulary::{
    Asker, AssemblyId, Effect, Holder, Place, QUESTIONS, Question, Refusal, Reply, ServiceId, Time,
    Value, Whose, Why,
};

impl Controller {
    /// A tool in a guest wants something.
    pub(crate) fn asked(&mut self, now: Time, asker: Asker, question: Question) {
        let Some(assembly) = self.assemblies.get_mut(&asker.assembly) else {
            return;
        };
        // It asks again over its next stream.
        if !assembly.contact().is_up() {
            return;
        }
        let reply = if assembly.may_ask(now.boottime_us) {
            self.reply(now, &asker, question)
        } else {
            let text = "this guest asks too often: tools may ask 20 times a second";
            Some(Reply::refused(Why::NotNow, text))
        };
        if let Some(reply) = reply {
            self.effects.push(Effect::Answer { asker, reply });
        }
    }

    /// An agent has answered for its guest.
    pub(crate) fn relayed(&mut self, asker: Asker, reply: Reply) {
        self.effects.push(Effect::Answer { asker, reply });
    }

    /// What can be said now. `None`: another agent is asked.
    fn reply(&mut self, now: Time, asker: &Asker, question: Question) -> Option<Reply> {
        if self.document.spec().is_none() {
            let text = "no document is loaded yet";
            return Some(Reply::refused(Why::NotNow, text));
        }
        match question {
            Question::Get { place, name } => self.get(asker, place, name),
            Question::Put {
                place: Place::Boot(ref whose),
                ref name,
                ..
            } => match self.may_set(asker, whose, name) {
                Ok(()) => self.relay(asker, whose, question.clone()),
                Err(refusal) => Some(done(Err(refusal))),
            },
            Question::Put {
                place, name, value, ..
            } => Some(self.put(now, asker, &place, &name, value)),
            Question::Nodes => Some(self.nodes()),
            Question::Locate(service) => Some(self.locate(&service)),
            Question::Overview => Some(self.overview(now)),
            Question::Ban(ban) => Some(done(self.changer(asker).and_then(|by| {
                let assembly = self.own_only(asker, meant(asker, &ban.assembly))?;
                self.ban(now, &ban, &assembly, &by)
            }))),
            Question::Clear { service, assembly } => {
                let assembly = assembly.map(|whose| meant(asker, &whose));
                Some(done(self.clear(now, asker, service, assembly)))
            }
        }
    }

    fn get(&mut self, asker: &Asker, place: Place, name: Option<String>) -> Option<Reply> {
        let spec = self.document.spec()?;
        let wanted = |known: &str| name.as_deref().is_none_or(|name| name == known);
        let mut found = Found::default();
        match (&place, &name) {
            (Place::Boot(whose), _) => {
                let owner = meant(asker, whose);
                let Some(assembly) = self.assemblies.get(&owner) else {
                    return Some(no_node(self.no_assembly(&owner)));
                };
                if assembly.contact().is_up() {
                    let whose = whose.clone();
                    return self.relay(asker, &whose, Question::Get { place, name });
                }
                for (known, value) in assembly.attributes().in_force() {
                    found.add(wanted(known), owner.in_document(), known, value);
                }
            }
            (Place::EveryBoot, None) => {
                let text = "values of all guests: name the attribute";
                return Some(Reply::refused(Why::Invalid, text));
            }
            (Place::EveryBoot, Some(name)) => {
                for owner in &spec.order {
                    let assembly = self.assemblies.get(owner);
                    let value = assembly.and_then(|own| own.attributes().in_force().get(name));
                    if let Some(value) = value {
                        found.add(true, owner.as_str(), name, value);
                    }
                }
            }
            (Place::Assembly(whose), _) => {
                let owner = meant(asker, whose);
                // A former incarnation reads what is said of the assembly that it was.
                let owner = AssemblyId::from(owner.in_document());
                if !spec.assemblies.contains_key(&owner) {
                    return Some(no_node(self.no_assembly(&owner)));
                }
                let documents = spec.attributes.get(&owner).into_iter().flatten();
                let holder = Holder::Assembly(owner.clone());
                let kept = values::of(self.store.values(), &holder);
                found.overlaid(owner.as_str(), documents, kept, wanted);
            }
            (Place::Deployment, _) => {
                let kept = values::of(self.store.values(), &Holder::Deployment);
                found.overlaid("", &spec.options, kept, wanted);
            }
        }
        Some(found.reply())
    }

    /// Whether the agent of an assembly can be asked about its guest's boot now.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]: there is no such assembly; [`Refusal::NotReady`]: its agent is not
    /// connected, or cannot answer.
    pub fn may_ask_agent(&self, owner: &AssemblyId) -> Result<(), Refusal> {
        self.known_assembly(owner)?;
        let assembly = self.assemblies.get(owner);
        let assembly = assembly.filter(|own| own.contact().is_up());
        let Some(assembly) = assembly else {
            return Err(Refusal::NotReady(format!(
                "the agent of {owner} is not connected, and values of a boot are its own: try again when it is"
            )));
        };
        let mut able = assembly.hello().capabilities.iter();
        if !able.any(|word| word == QUESTIONS) {
            return Err(Refusal::NotReady(format!(
                "the agent of {owner} is of an earlier version, which cannot do that"
            )));
        }
        Ok(())
    }

    /// Has the agent of a guest answer for it.
    fn relay(&mut self, asker: &Asker, whose: &Whose, question: Question) -> Option<Reply> {
        let owner = meant(asker, whose);
        if let Err(refusal) = self.may_ask_agent(&owner) {
            return Some(done(Err(refusal)));
        }
        let question = match question {
            Question::Get { name, .. } => Question::Get {
                place: Place::Boot(Whose::Own),
                name,
            },
            Question::Put {
                name,
                value,
                keeping,
                ..
            } => Question::Put {
                place: Place::Boot(Whose::Own),
                name,
                value,
                keeping,
            },
            other => other,
        };
        self.effects.push(Effect::Relay {
            assembly: owner,
            asker: asker.clone(),
            question: Box::new(question),
        });
        None
    }

    fn put(
        &mut self,
        now: Time,
        asker: &Asker,
        place: &Place,
        name: &str,
        value: Option<String>,
    ) -> Reply {
        let (holder, allowed) = match place {
            Place::Assembly(whose) => (
                Holder::Assembly(meant(asker, whose)),
                self.may_set(asker, whose, name),
            ),
            Place::Deployment => (Holder::Deployment, Ok(())),
            Place::Boot(_) | Place::EveryBoot => {
                return Reply::refused(Why::Invalid, "a value is set in one guest at a time");
            }
        };
        let by = allowed.and_then(|()| self.changer(asker));
        done(by.and_then(|by| self.put_value(now, &holder, name, value, &by)))
    }

    fn clear(
        &mut self,
        now: Time,
        asker: &Asker,
        service: Option<ServiceId>,
        assembly: Option<AssemblyId>,
    ) -> Result<(), Refusal> {
        let by = self.changer(asker)?;
        let assembly = match assembly {
            Some(assembly) => self.own_only(asker, assembly)?,
            None => asker.assembly.clone(),
        };
        let service = match service {
            Some(service) => Some(self.known_resource(&service)?),
            None => None,
        };
        if self.lift_bans(service.as_ref(), Some(&assembly)) {
            self.value_changed(now, &format!("bans were lifted{by}"));
        }
        Ok(())
    }

    /// Whether a guest may set that attribute: its health (`#health…`) keeps services off.
    fn may_set(&self, asker: &Asker, whose: &Whose, name: &str) -> Result<(), Refusal> {
        match name.starts_with('#') {
            true => self.own_only(asker, meant(asker, whose)).map(drop),
            false => Ok(()),
        }
    }

    /// A guest says only of itself what keeps services off. That there is no such assembly comes
    /// first: then its agent may know whom the tool means.
    fn own_only(&self, asker: &Asker, assembly: AssemblyId) -> Result<AssemblyId, Refusal> {
        if assembly != asker.assembly {
            self.known_assembly(&assembly)?;
            return Err(Refusal::InvalidArgument(format!(
                "a guest keeps services off itself only, and this one is assembly {}: an administrator can do that for {assembly} \
                 (cpectl standby, or a <location> of the document)",
                asker.assembly
            )));
        }
        Ok(assembly)
    }

    /// Who wants a change, as the end of a sentence.
    fn changer(&self, asker: &Asker) -> Result<String, Refusal> {
        let own = &asker.assembly;
        if self.phase.is_over() {
            return Err(Refusal::NotReady("the deployment is being ended".into()));
        }
        if own.in_document() != own.as_str() {
            return Err(Refusal::NotReady(format!(
                "this guest is not assembly {} any more: another is, by the document or at its address",
                own.in_document()
            )));
        }
        Ok(format!(", asked for in {own}"))
    }

    fn nodes(&self) -> Reply {
        let order = self.document.spec().map(|spec| spec.order.as_slice());
        let mut found = Found::default();
        for name in order.unwrap_or_default() {
            let assembly = self.assemblies.get(name);
            let online = |life| matches!(life, Life::Online | Life::Missed);
            let member = assembly.is_some_and(|own| online(own.life()));
            let state = if member { "member" } else { "lost" };
            found.add(true, name.as_str(), "", state);
        }
        found.reply()
    }

    /// The assemblies with their states; then every instance with its role in the words of
    /// Pacemaker, its state and its agent.
    fn overview(&self, now: Time) -> Reply {
        let resources = self.document.spec().map(|spec| spec.resources.as_slice());
        let promotable = promotable(resources.unwrap_or_default());
        let mut found = Found::default();
        for status in self.assembly_statuses(now) {
            found.add(true, &status.name, "", status.state.as_str());
        }
        for status in self.service_statuses() {
            let role = match status.role {
                ServiceRole::Promoted => "Promoted",
                _ if status.assembly.is_empty() => "Stopped",
                _ if promotable.contains(status.service.as_str()) => "Unpromoted",
                _ => "Started",
            };
            let value = format!("{role} {} {}", status.state, status.agent);
            found.add(true, &status.assembly, &status.service, &value);
        }
        found.reply()
    }

    /// Where a service runs, or the services in a group, a clone or a bundle.
    fn locate(&self, asked: &ServiceId) -> Reply {
        let name = match self.known_resource(asked) {
            Ok(name) => name,
            Err(refusal) => return Reply::refused(Why::NoSuch, refusal.to_string()),
        };
        let resources = self.document.spec().map(|spec| spec.resources.as_slice());
        let whole = find(resources.unwrap_or_default(), name.as_str());
        let mut found = Found::default();
        let runs = |state| {
            matches!(
                state,
                ServiceState::Started | ServiceState::Promoted | ServiceState::Unmanaged
            )
        };
        for status in self.service_statuses() {
            let part = || whole.is_some_and(|it| find(&it.members, &status.service).is_some());
            let is_meant = status.service == name.as_str() || part();
            if !is_meant || status.assembly.is_empty() || !runs(status.state) {
                continue;
            }
            let role = match status.role {
                ServiceRole::Promoted => "Promoted",
                _ => "",
            };
            let node = status.assembly.as_str();
            if !found.values.iter().any(|known| known.node == node) {
                found.add(true, node, asked.as_str(), role);
            }
        }
        found.reply()
    }
}

/// What is promotable, by its name, of some resources and all below them.
fn promotable(resources: &[ResourceStatus]) -> BTreeSet<&str> {
    let all = resources.iter().flat_map(ResourceStatus::all);
    let below = all.filter(|it| it.promotable).flat_map(ResourceStatus::all);
    below.map(|it| it.name.as_str()).collect()
}

/// The assembly that is meant.
fn meant(asker: &Asker, whose: &Whose) -> AssemblyId {
    match whose {
        Whose::Own => asker.assembly.clone(),
        Whose::Of(name) => name.clone(),
    }
}

fn no_node(refusal: Refusal) -> Reply {
    Reply::refused(Why::NoNode, refusal.to_string())
}

fn done(outcome: Result<(), Refusal>) -> Reply {
    let Err(refusal) = outcome else {
        return Reply::Done;
    };
    let why = match &refusal {
        Refusal::NotFound {
            kind: "assembly", ..
        } => Why::NoNode,
        Refusal::NotFound { .. } => Why::NoSuch,
        Refusal::NotReady(_) | Refusal::Refused(_) | Refusal::GenerationConflict { .. } => {
            Why::NotNow
        }
        Refusal::InvalidArgument(_) | Refusal::InvalidDocument(_) => Why::Invalid,
    };
    Reply::refused(why, refusal.to_string())
}

/// Values for an answer, within its bounds.
#[derive(Debug, Default)]
struct Found {
    values: Vec<Value>,
    bytes: usize,
}

impl Found {
    fn add(&mut self, wanted: bool, node: &str, name: &str, value: &str) {
        if !wanted {
            return;
        }
        self.bytes += node.len() + name.len() + value.len();
        if self.bytes <= MAX_VALUES_SIZE {
            self.values.push(Value {
                node: node.to_owned(),
                name: name.to_owned(),
                value: value.to_owned(),
            });
        }
    }

    /// Values of the document, and those that were set beside it, which are stronger.
    fn overlaid<'a>(
        &mut self,
        node: &str,
        documents: impl IntoIterator<Item = (&'a String, &'a String)>,
        kept: impl Iterator<Item = (&'a str, &'a str)>,
        wanted: impl Fn(&str) -> bool,
    ) {
        let documents = documents.into_iter();
        let all = documents.map(|(name, value)| (name.as_str(), value.as_str()));
        let all: std::collections::BTreeMap<&str, &str> = all.chain(kept).collect();
        for (name, value) in all {
            self.add(wanted(name), node, name, value);
        }
    }

    fn reply(self) -> Reply {
        if self.bytes > MAX_VALUES_SIZE || self.values.len() > MAX_VALUES {
            let text = "that is too much for one answer: ask for one by its name";
            return Reply::refused(Why::Invalid, text);
        }
        Reply::Values(self.values)
    }
}
