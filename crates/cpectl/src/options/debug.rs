//! What a resource agent is had to do once.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct Debug {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Looks whether the service runs, and changes nothing
    Monitor(Where),
    /// Starts a service that is unmanaged, and known to run nowhere else
    Start(Where),
    /// Stops a service that is unmanaged
    Stop(Where),
}

#[derive(Debug, Args)]
pub(crate) struct Where {
    /// The deployment
    pub name: String,
    /// The service, or one of its instances
    pub service: String,
    /// The assembly whose agent does it
    #[arg(long = "on", value_name = "ASSEMBLY")]
    pub assembly: String,
}
