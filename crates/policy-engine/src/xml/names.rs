//! Interned element and attribute names: a CIB of millions of elements uses some hundred names.

use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap};

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
    /// What tells most of them apart at a glance, in the same order.
    marks: Vec<Mark>,
    ids: FxHashMap<Arc<str>, NameId>,
}

/// The length of a name, its first byte and its last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark(u32);

impl Mark {
    pub(super) fn of(text: &str) -> Mark {
        let bytes = text.as_bytes();
        let [first, last] = [bytes.first(), bytes.last()].map(|byte| byte.copied().unwrap_or(0));
        Mark((bytes.len() as u32) << 16 | u32::from(first) << 8 | u32::from(last))
    }
}

impl Names {
    /// No names, with room for so many.
    pub(super) fn with_capacity(count: usize) -> Names {
        Names {
            texts: Vec::with_capacity(count),
            marks: Vec::with_capacity(count),
            ids: FxHashMap::with_capacity_and_hasher(count, FxBuildHasher),
        }
    }

    /// Whether a name is that text, which has that mark.
    pub(super) fn is(&self, id: NameId, mark: Mark, text: &str) -> bool {
        self.marks[id.index()] == mark && *self.texts[id.index()] == *text
    }

    /// The name's id, new if it was never seen.
    pub(super) fn intern(&mut self, text: &str) -> NameId {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let id = NameId(self.texts.len() as u32);
        self.marks.push(Mark::of(text));
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
