//! Commands about the delivery of events.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct Sinks {
    /// What to do; list, if nothing is said
    #[command(subcommand)]
    pub command: Option<SinksCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SinksCommand {
    /// Lists the sinks: how far each is, what arrived last, and what is wrong
    List,
    /// Sends an event that is made up to a sink, now and once
    ///
    /// It is of kind sink.test, stands in no log, and no filter counts. The exit status is 1 if it
    /// does not arrive.
    Test {
        /// The sink
        name: String,
    },
    /// Lists the events that a sink did not take: its dead letters, oldest first
    Dead {
        /// The sink
        name: String,
    },
    /// Has a dead letter of a sink tried once more, or all of them
    ///
    /// One that arrives is a dead letter no more; one that does not stays one, with its error.
    Redeliver {
        /// The sink
        name: String,
        /// The id of the event, as dead lists it; all of them if none is given
        id: Option<String>,
    },
}
