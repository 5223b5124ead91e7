//! Commands about the gateway's tokens.

use std::path::PathBuf;

use clap::builder::RangedI64ValueParser;
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct Token {
    /// The file of tokens
    #[arg(long, global = true, value_name = "FILE", default_value = cpe_tokens::FILE)]
    pub file: PathBuf,
    #[command(subcommand)]
    pub command: TokenCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Makes a token, and prints it; it cannot be shown again
    ///
    /// Callers send it as `Authorization: Bearer TOKEN`, and are `token:ID` then. What they may do
    /// stands in /etc/cpe/access.toml: a token alone lets nobody do anything.
    New {
        /// Its id: 1 to 63 characters a-z, 0-9 and -
        id: String,
        /// It ends after so many days
        #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = RangedI64ValueParser::<u32>::new().range(1..=36_500))]
        days: u32,
        /// What it is for
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
    /// Lists tokens: their ids, and when they end
    List,
    /// Takes a token away; it counts no more from now on
    Revoke {
        /// Its id
        id: String,
    },
}
