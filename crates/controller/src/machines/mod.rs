//! The machines of which a controller is made. Each owns its state and gives facts and effects;
//! none knows the controller.

pub(crate) mod announcement;
pub(crate) mod arrivals;
pub(crate) mod assembly;
pub(crate) mod attributes;
pub(crate) mod behind;
pub(crate) mod burst;
pub(crate) mod deciding;
pub(crate) mod devices;
pub(crate) mod document;
pub(crate) mod execution;
pub(crate) mod facts;
pub(crate) mod failures;
pub(crate) mod fencings;
pub(crate) mod hand_over;
pub(crate) mod history;
pub(crate) mod look;
pub(crate) mod moves;
pub(crate) mod outgoing;
pub(crate) mod overlay;
pub(crate) mod phase;
pub(crate) mod run;
pub(crate) mod service;
pub(crate) mod ticket;
pub(crate) mod told;
pub(crate) mod transition;
pub(crate) mod values;
