//! The machines of which a controller is made. Each owns its state and gives facts and effects;
//! none knows the controller.

pub(crate) mod announcement;
pub(crate) mod facts;
pub(crate) mod failures;
pub(crate) mod history;
pub(crate) mod service;
pub(crate) mod transition;
