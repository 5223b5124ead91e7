//! The document of a deployment, as far as the controller could read it.

use crate::vocabulary::{AssemblyId, ServiceId, ServiceSpec, Spec};

/// The document.
#[derive(Debug)]
pub(crate) enum Document {
    /// None was loaded.
    None,
    /// One is saved that this version does not read, and nothing is known of what it said: why.
    Unreadable(String),
    /// One is saved that this version does not read: why. What it said when it was accepted keeps
    /// the agents connected and their leases renewed; nothing is decided by it.
    Held { spec: Box<Spec>, error: String },
    /// What it says is in force.
    InForce(Box<Spec>),
}

impl Document {
    /// What it says, if that is known.
    pub(crate) fn spec(&self) -> Option<&Spec> {
        match self {
            Document::InForce(spec) | Document::Held { spec, .. } => Some(spec),
            Document::None | Document::Unreadable(_) => None,
        }
    }

    /// Whether anything is decided by it.
    pub(crate) fn is_in_force(&self) -> bool {
        matches!(self, Document::InForce(_))
    }

    /// Why the saved one is not in force.
    pub(crate) fn error(&self) -> Option<&String> {
        match self {
            Document::Unreadable(error) | Document::Held { error, .. } => Some(error),
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

    /// It names this assembly.
    pub(crate) fn names(&self, assembly: &AssemblyId) -> bool {
        self.spec()
            .is_some_and(|spec| spec.assemblies.contains_key(assembly))
    }

    /// It is known and does not name this assembly any more.
    pub(crate) fn has_dropped(&self, assembly: &AssemblyId) -> bool {
        self.spec()
            .is_some_and(|spec| !spec.assemblies.contains_key(assembly))
    }

    /// Puts a specification in force. Gives the former one.
    pub(crate) fn replace(&mut self, spec: Spec) -> Option<Spec> {
        match std::mem::replace(self, Document::InForce(Box::new(spec))) {
            Document::InForce(former) | Document::Held { spec: former, .. } => Some(*former),
            Document::None | Document::Unreadable(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::AssemblySpec;

    fn spec(assembly: &str) -> Spec {
        let assemblies = [(assembly.into(), AssemblySpec::default())];
        Spec {
            name: "shop".into(),
            assemblies: assemblies.into(),
            ..Spec::default()
        }
    }

    #[test]
    fn what_is_replaced_is_given_back_if_it_was_in_force() {
        let mut document = Document::Unreadable("line 1".into());
        assert_eq!(document.error().map(String::as_str), Some("line 1"));
        assert_eq!(document.replace(spec("web1")), None);
        assert_eq!(document.error(), None);
        assert_eq!(document.replace(spec("web2")), Some(spec("web1")));
        assert_eq!(document.spec(), Some(&spec("web2")));
    }

    #[test]
    fn what_is_held_is_known_and_not_in_force() {
        let mut document = Document::Held {
            spec: Box::new(spec("web1")),
            error: "line 1".into(),
        };
        assert!(document.names(&"web1".into()) && !document.is_in_force());
        assert_eq!(document.error().map(String::as_str), Some("line 1"));
        assert_eq!(document.replace(spec("web2")), Some(spec("web1")));
        assert!(document.is_in_force());
    }

    #[test]
    fn an_assembly_is_dropped_only_by_a_document_in_force() {
        let mut document = Document::None;
        assert!(!document.has_dropped(&"web1".into()) && !document.names(&"web1".into()));
        document.replace(spec("web2"));
        assert!(document.has_dropped(&"web1".into()));
        assert!(!document.has_dropped(&"web2".into()) && document.names(&"web2".into()));
    }
}
