//! What a page is made of. Whoever may not see a deployment has none of it here.

use std::time::Duration;

use cpe_status::{DeploymentStatus, SinkNumbers};

use super::requests::Requests;
use crate::mirror::{Mirror, Seen, Tally};
use crate::rights::Rights;

/// All that the caller may be told.
#[derive(Debug)]
pub struct Facts {
    /// The version of cpe; empty: it has not answered yet.
    pub cpe: String,
    /// How long ago cpe answered.
    pub age: Duration,
    /// The deployments that the caller may see, by name.
    pub seen: Vec<Seen>,
    /// What events have added up to; of it the caller learns of those deployments alone.
    pub tally: Tally,
    /// For those who see all deployments.
    pub whole: Option<Whole>,
    /// Series of single services and assemblies at most.
    pub max_series: usize,
}

/// What is of no deployment, and would tell of those that the caller may not see.
#[derive(Debug)]
pub struct Whole {
    /// How the delivery of events stands.
    pub sinks: Vec<SinkNumbers>,
    /// What the gateway was asked.
    pub requests: Requests,
}

impl Facts {
    /// Puts together what somebody with those rights may be told. Nobody is asked for it.
    pub fn gather(
        mirror: &Mirror,
        requests: &Requests,
        rights: &Rights,
        max_series: usize,
    ) -> Facts {
        let mut seen = mirror.snapshot();
        seen.retain(|seen| rights.sees(&seen.entry.name));
        Facts {
            cpe: mirror.version(),
            // Nobody is told anything before cpe has answered.
            age: mirror.health().age.unwrap_or(Duration::MAX),
            seen,
            tally: mirror.tally(),
            whole: rights.sees("").then(|| Whole {
                sinks: mirror.sinks(),
                requests: requests.clone(),
            }),
            max_series,
        }
    }
}

/// What a DPE has told of a deployment that it has loaded; if not, that something is empty says
/// nothing.
pub(super) fn told(seen: &Seen) -> Option<&DeploymentStatus> {
    seen.status.as_deref().filter(|status| status.is_complete())
}
