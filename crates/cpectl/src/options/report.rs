//! What `cpectl report` puts together.

use std::path::PathBuf;

use clap::Args;

use crate::times;

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The deployment
    pub name: String,
    /// Events and the journal of the last 90s or 1h30m, or from a date and time on
    #[arg(long, value_name = "WHEN", default_value = "24h", value_parser = times::moment)]
    pub since: u64,
    /// The archive [default: cpectl-report-NAME-TIME.tar.gz in the present directory]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Writes over a file that exists
    #[arg(long)]
    pub force: bool,
    /// With the values of parameters, attributes and options, and with comments: passwords of
    /// services are among them
    #[arg(long)]
    pub with_secrets: bool,
    /// Where the certificate authority is kept
    #[arg(
        long,
        value_name = "DIRECTORY",
        default_value = "/var/lib/cpe-pki",
        env = "CPE_PKI_DIRECTORY"
    )]
    pub pki_directory: PathBuf,
}
