//! What events have said about a deployment as a whole, and what the next one says.

use serde::{Deserialize, Serialize};

use crate::vocabulary::{EventDraft, EventKind};

/// What events have said about a deployment: a durable fact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Announced {
    /// Never all well yet.
    #[default]
    Nothing,
    Active,
    Degraded,
    Failed,
}

/// The next event, if there is one. `problem`: the worst that is wrong. `idle`: there is
/// nothing to do and nothing to decide; before that, it is not said that all is well.
pub(crate) fn next(
    announced: Announced,
    problem: Option<&str>,
    idle: bool,
) -> Option<(Announced, EventDraft)> {
    match (problem, announced) {
        (None, Announced::Nothing) if idle => Some((
            Announced::Active,
            EventDraft::new(EventKind::DeploymentStarted).reason("everything runs that should"),
        )),
        (None, Announced::Degraded | Announced::Failed) if idle => Some((
            Announced::Active,
            EventDraft::new(EventKind::DeploymentRecovered).reason("everything runs that should"),
        )),
        (Some(problem), Announced::Active) => Some((
            Announced::Degraded,
            EventDraft::new(EventKind::DeploymentDegraded).reason(problem),
        )),
        (Some(problem), Announced::Nothing) if idle => Some((
            Announced::Degraded,
            EventDraft::new(EventKind::DeploymentDegraded).reason(problem),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_tells_what_it_should() {
        use Announced::{Active, Degraded, Failed, Nothing};
        const BAD: Option<&str> = Some("node1 is lost");
        let table = [
            (Nothing, None, false, None),
            (
                Nothing,
                None,
                true,
                Some((Active, EventKind::DeploymentStarted)),
            ),
            (Nothing, BAD, false, None),
            (
                Nothing,
                BAD,
                true,
                Some((Degraded, EventKind::DeploymentDegraded)),
            ),
            (Active, None, false, None),
            (Active, None, true, None),
            (
                Active,
                BAD,
                false,
                Some((Degraded, EventKind::DeploymentDegraded)),
            ),
            (
                Active,
                BAD,
                true,
                Some((Degraded, EventKind::DeploymentDegraded)),
            ),
            (Degraded, None, false, None),
            (
                Degraded,
                None,
                true,
                Some((Active, EventKind::DeploymentRecovered)),
            ),
            (Degraded, BAD, false, None),
            (Degraded, BAD, true, None),
            (Failed, None, false, None),
            (
                Failed,
                None,
                true,
                Some((Active, EventKind::DeploymentRecovered)),
            ),
            (Failed, BAD, false, None),
            (Failed, BAD, true, None),
        ];
        for (announced, problem, idle, expected) in table {
            let found = next(announced, problem, idle).map(|(after, event)| (after, event.kind));
            assert_eq!(found, expected, "{announced:?} {problem:?} {idle}");
        }
    }
}
