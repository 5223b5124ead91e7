//! What has become of an order.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum OrderState {
    /// It is being done.
    Running,
    /// It is done; what follows from it, events tell.
    Done,
    /// It was refused, or could not be done; nothing was changed.
    Failed,
    /// It was begun, and nobody knows whether it was done: it is not done again by itself.
    Unknown,
}

/// What has become of an order, as `GiveOrder` and `GetOrder` tell it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderReport {
    /// Its id: a UUID of the caller's choice.
    pub id: String,
    /// The deployment that it is about.
    pub deployment: String,
    /// The order.
    pub order: Value,
    /// How far it is.
    pub state: OrderState,
    /// When it was taken, microseconds since the Unix epoch.
    pub begun: u64,
    /// When it ended; 0: it has not.
    pub ended: u64,
    /// The newest event before it.
    pub cursor: u64,
    /// What came of it: a report of `Debug`, the plan of an order about a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Why it is not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<OrderError>,
    /// The same order with the same id is tried again.
    #[serde(default)]
    pub may_repeat: bool,
}

/// Why an order is not done: an error of the bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderError {
    /// Its name, without `org.cloudpolicy.Error.`.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl OrderError {
    /// Of an error.
    pub fn of(error: &Error) -> OrderError {
        OrderError {
            name: error.short_name().to_owned(),
            text: error.message(),
        }
    }

    /// The error again.
    pub fn error(&self) -> Error {
        Error::of_short_name(&self.name, self.text.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_travel_by_their_names() {
        for error in [
            Error::NotFound("a".into()),
            Error::Refused("b".into()),
            Error::OutcomeUnknown("o".into()),
            Error::NotReady("c".into()),
            Error::InvalidArgument("d".into()),
            Error::Busy("e".into()),
            Error::Failed("f".into()),
        ] {
            let same = OrderError::of(&error).error();
            assert_eq!(format!("{same:?}"), format!("{error:?}"));
        }
    }
}
