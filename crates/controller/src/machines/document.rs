//! The document of a deployment, as far as the controller could read it.

use crate::vocabulary::{AssemblyId, ServiceId, ServiceSpec, Spec};

/// The document.
#[derive(Debug)]
pub(crate) enum Document {
    /// None was loaded.
    None,
    /// One is saved that this version cannot use: why.
    Unreadable(String),
    /// What it says holds.
    InForce(Box<Spec>),
}

impl Document {
    /// What it says, if it holds.
    pub(crate) fn spec(&self) -> Option<&Spec> {
        match self {
            Document::InForce(spec) => Some(spec),
            Document::None | Document::Unreadable(_) => None,
        }
    }

    /// Why the saved one cannot be used.
    pub(crate) fn error(&self) -> Option<&String> {
        match self {
            Document::Unreadable(error) => Some(error),
            Document::None | Document::InForce(_) => None,
        }
    }

    /// What it says about a service.
    pub(crate) fn service(&self, id: &ServiceId) -> Option<&ServiceSpec> {
        self.spec()?.service(id)
    }

    /// The services that it names, in its order.
    pub(crate) fn services(&self) -> &[ServiceSpec] {
        self.spec().map_or(&[], |spec| &spec.services)
    }

    /// It holds, and names this assembly no more.
    pub(crate) fn has_dropped(&self, assembly: &AssemblyId) -> bool {
        self.spec()
            .is_some_and(|spec| !spec.assemblies.contains_key(assembly))
    }

    /// Puts a specification in force. Gives the former one.
    pub(crate) fn replace(&mut self, spec: Spec) -> Option<Spec> {
        match std::mem::replace(self, Document::InForce(Box::new(spec))) {
            Document::InForce(former) => Some(*former),
            Document::None | Document::Unreadable(_) => None,
        }
    }
}
