//! What `cpectl top` shows.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Top {
    /// One deployment; all if none is given
    pub name: Option<String>,
    /// Keys may order something, too: each verb is planned and shown first, and the name of what it
    /// is about has to be typed
    #[arg(long)]
    pub act: bool,
    /// Only characters that every terminal has
    #[arg(long)]
    pub ascii: bool,
}
