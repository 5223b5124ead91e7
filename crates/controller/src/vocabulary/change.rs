//! Changes of the rows in which a shell keeps what must outlive the process.

use serde::{Deserialize, Serialize};

/// A row to write, or to delete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Key of the row.
    pub key: String,
    /// Its new value (JSON); `None`: delete the row.
    pub value: Option<String>,
}
