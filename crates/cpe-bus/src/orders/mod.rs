//! What an administrator can have done by an order with an id (`GiveOrder`): the order, and what
//! became of it. Both cross the bus as JSON.

mod ordered;
mod report;

pub use ordered::{AttributeLifetime, AttributeValue, DebugVerb, Lifetime, Name, Ordered, Power};
pub use report::{OrderError, OrderReport, OrderState};

/// Whether this can be the id of an order: a UUID, in the one way to write it that is taken.
pub fn is_order_id(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok_and(|uuid| uuid.hyphenated().to_string() == text)
}
