//! Commands about past decisions.

use clap::Args;
use clap::builder::RangedU64ValueParser;

#[derive(Debug, Args)]
pub(crate) struct Transitions {
    /// The deployment
    pub name: String,
    /// Only the last N
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub last: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Input {
    /// The deployment
    pub name: String,
    /// What transition N was decided on, instead of what would be decided on now; cpectl
    /// transitions says which are kept
    #[arg(long, value_name = "N")]
    pub transition: Option<u64>,
    /// What a refused decision would have been made on; cpectl transitions says which are kept
    #[arg(long, value_name = "N", conflicts_with = "transition")]
    pub refused: Option<u64>,
}

impl Input {
    /// The name of the kept input that is meant; `None`: the present one.
    pub(crate) fn kept(&self) -> Option<String> {
        let refused = self.refused.map(|number| format!("refused-{number}"));
        self.transition.map(|number| number.to_string()).or(refused)
    }
}
