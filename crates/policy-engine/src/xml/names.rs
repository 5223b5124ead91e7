//! Interned element and attribute names: a CIB of millions of elements uses some hundred names.

use std::sync::Arc;

use rustc_hash::FxHashMap;

/// A name of a document.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct NameId(pub u32);

impl NameId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// All names of a document.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    texts: Vec<Arc<str>>,
    ids: FxHashMap<Arc<str>, NameId>,
}

impl Names {
    /// The name's id, new if it was never seen.
    pub(super) fn intern(&mut self, text: &str) -> NameId {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let id = NameId(self.texts.len() as u32);
        let text: Arc<str> = text.into();
        self.texts.push(text.clone());
        self.ids.insert(text, id);
        id
    }
    /// The name's id, if the document uses the name.
    pub(super) fn find(&self, text: &str) -> Option<NameId> {
        self.ids.get(text).copied()
    }
    /// The name.
    pub(super) fn text(&self, id: NameId) -> &str {
        &self.texts[id.index()]
    }
    /// Number of names.
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }
}
