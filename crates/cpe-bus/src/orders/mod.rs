//! What an administrator can have done by an order with an id (`GiveOrder`): the order, and what
//! became of it. Both cross the bus as JSON.

mod ordered;
mod report;

pub use ordered::{AttributeLifetime, AttributeValue, DebugVerb, Lifetime, Name, Ordered, Power};
pub use report::{OrderError, OrderReport, OrderState};
