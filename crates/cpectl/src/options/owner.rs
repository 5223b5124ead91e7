//! Whose a deployment is.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Chown {
    /// The deployment
    pub name: String,
    /// Who owns it from now on: a user of this host, or what the gateway knows somebody as
    /// (token:ID, cert:NAME); - is nobody
    #[arg(value_name = "OWNER")]
    pub owner: String,
    /// The group whose members may give orders from now on; - is none [default: as before]
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
}
