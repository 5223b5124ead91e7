//! The dot rendering (scheduler-spec/06 §C, 05 §17).

use crate::model::Cluster;

/// Writes the dot file of a scheduled cluster. `all`: also optional and unmanaged actions. `ids`: with action numbers.
pub fn write(_cluster: &Cluster, _all: bool, _ids: bool) -> String {
    String::new()
}
