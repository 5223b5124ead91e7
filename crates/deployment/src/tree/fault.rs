//! Why a text is not XML as accepted here, and where.

/// The first place where the text is not XML as accepted here, so that there is no tree.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Byte offset in the document.
    pub(crate) offset: usize,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

pub(super) fn fault<T>(
    offset: usize,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Result<T, Fault> {
    Err(Fault {
        offset,
        message: message.into(),
        hint: Some(hint.into()),
    })
}
