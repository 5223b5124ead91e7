//! What `cpectl check` is about.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The deployment
    pub name: String,
    #[command(flatten)]
    pub loss: Loss,
}

/// What is lost.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Loss {
    /// Any one assembly; what is meant without an option
    #[arg(long)]
    pub lose_any: bool,
    /// These assemblies at once
    #[arg(long, value_name = "ASSEMBLY", value_delimiter = ',')]
    pub lose: Vec<String>,
    /// Any one host, with all assemblies whose document says host="HOST"
    #[arg(long)]
    pub lose_any_host: bool,
    /// Any two assemblies at once
    #[arg(long)]
    pub lose_two: bool,
}
