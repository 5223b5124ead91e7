//! The reader's words: those of the field, or those of a product built on the policy engine.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::codes::Code;

/// What the reader calls nodes, resources and clusters, and how remedies are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Where resources run.
    pub node: &'static str,
    /// Plural of the word before.
    pub nodes: &'static str,
    /// What runs on a node.
    pub resource: &'static str,
    /// Plural of the word before.
    pub resources: &'static str,
    /// All nodes and resources together.
    pub cluster: &'static str,
    /// The deployment that is asked about: remedies are then given in the words of its document and
    /// of its tools. `None`: in the words of clusters.
    pub deployment: Option<String>,
    /// What somebody wants for a while, in words, and how that ends: by the ids of the location
    /// constraints, or of the sets of meta attributes with the names of these (`SET.target-role`).
    pub temporary: BTreeMap<String, Temporary>,
    /// The reader may not see what values the attributes of nodes have.
    pub hides_values: bool,
}

/// What stands behind a constraint or a meta attribute that is not of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Temporary {
    /// What it is, as a clause.
    pub text: String,
    /// How it is ended.
    pub remedy: String,
}

impl Terms {
    /// The field's own words.
    pub const CLUSTER: Terms = Terms {
        node: "node",
        nodes: "nodes",
        resource: "resource",
        resources: "resources",
        cluster: "cluster",
        deployment: None,
        temporary: BTreeMap::new(),
        hides_values: false,
    };

    /// The words of a deployment.
    pub fn deployment(name: impl Into<String>) -> Terms {
        Terms {
            node: "assembly",
            nodes: "assemblies",
            resource: "service",
            resources: "services",
            cluster: "deployment",
            deployment: Some(name.into()),
            temporary: BTreeMap::new(),
            hides_values: false,
        }
    }

    /// The word for a placeholder in capitals; `None` for the name of a parameter.
    pub(super) fn word(&self, placeholder: &str) -> Option<&str> {
        Some(match placeholder {
            "NODE" => self.node,
            "NODES" => self.nodes,
            "RESOURCE" => self.resource,
            "RESOURCES" => self.resources,
            "CLUSTER" => self.cluster,
            "NAME" => self.deployment.as_deref().unwrap_or_default(),
            _ => return None,
        })
    }

    /// The template of the remedy that suits the reader.
    pub(super) fn remedy<'c>(&self, code: &'c Code) -> &'c str {
        match self.deployment {
            Some(_) => code.in_deployment,
            None => code.in_cluster,
        }
    }

    /// A constraint as the reader knows it: by its id, or as the short form of a deployment
    /// document that it was made from.
    pub(super) fn constraint<'i>(&self, id: &'i str) -> Cow<'i, str> {
        if self.deployment.is_none() {
            return Cow::Borrowed(id);
        }
        let mut parts = id.split('.');
        let short = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("order"), Some(first), Some(then), None) => {
                format!("<service_dependency first=\"{first}\" then=\"{then}\"/>")
            }
            (Some("colocation"), Some(service), Some(with), None) => {
                format!("of {service} with {with} in the document")
            }
            (Some("location"), Some(service), Some(assembly), None) => {
                format!("<location service=\"{service}\" assembly=\"{assembly}\"/>")
            }
            _ => return Cow::Borrowed(id),
        };
        Cow::Owned(short)
    }
}
