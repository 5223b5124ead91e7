//! Virtual execution (scheduler-spec/06 §D): changing a CIB as if events had happened, and
//! executing a graph on it.
//!
//! Stage interface: [`inject()`], [`execute()`]. Both write the same history entries as a real
//! executor (`record`), so that loading the changed CIB shows what the cluster would look like.

mod execute;
mod inject;
mod record;
pub mod specification;

pub use execute::{Execution, Step, execute};
pub use inject::{Injected, Injections, SetAttribute, inject};
