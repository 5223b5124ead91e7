//! Resource definitions: what resources are made from (scheduler-spec/01 §16.1). Written by
//! `configuration`.

use super::{Agent, Arc, ResourceConfig, Text};
use crate::xml::ElementId;

/// A resource as the configuration (or an implication of it) defines it.
#[derive(Clone, Debug)]
pub struct Definition {
    /// `id`, without instance number.
    pub id: Text,
    /// Sets and operations.
    pub config: Arc<ResourceConfig>,
    /// Class, provider, type.
    pub agent: Arc<Agent>,
    /// The template that it was expanded from.
    pub template: Option<Text>,
    /// Variant and children.
    pub content: Content,
}

/// What a definition consists of.
#[derive(Clone, Debug)]
pub enum Content {
    /// One agent.
    Primitive,
    /// The members that are valid.
    Group(Vec<Arc<Definition>>),
    /// The cloned resource; `None` in an invalid configuration.
    Clone(Option<Arc<Definition>>),
    /// The `bundle` element, and its primitive.
    Bundle(ElementId, Option<Arc<Definition>>),
}
