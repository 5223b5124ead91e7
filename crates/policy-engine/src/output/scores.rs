//! Score lines as text (scheduler-spec/06 §A.6).

use crate::model::{Cluster, ScoreLine};

/// One score line.
pub fn line(_cluster: &Cluster, _line: &ScoreLine) -> String {
    String::new()
}
