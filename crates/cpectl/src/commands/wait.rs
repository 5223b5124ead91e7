//! `cpectl wait`, and what `deploy --wait` and `destroy --wait` have in common with it.

use std::time::Duration;

use cpe_status::{
    DeploymentState, DeploymentStatus, ResourceStatus, ServiceRole, ServiceState, ServiceStatus,
    TransitionState,
};
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use crate::cells::duration;
use crate::client::Client;
use crate::commands::status;
use crate::failure::{Failure, Kind};
use crate::follow::{Filter, Follower};
use crate::options::{Condition, Role, Wait};
use crate::output::Output;

/// A longer wait ends after this time: the clock's range is not much larger.
pub(crate) const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// The state is asked for after every event, and when none has come for this long.
const QUIET: Duration = Duration::from_millis(500);
/// How long a look may take that is the last, or the only one.
pub(crate) const LOOK: Duration = Duration::from_secs(1);
/// Between two questions, however much happens.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) async fn run(client: &Client, arguments: &Wait, output: &Output) -> Result<(), Failure> {
    let (name, condition) = (&arguments.name, &arguments.condition);
    let status = until(client, name, condition, arguments.timeout).await?;
    report(&status, output)
}

/// Waits until a deployment is as it should be. Gives its status then.
pub(crate) async fn until(
    client: &Client,
    name: &str,
    condition: &Condition,
    timeout: Duration,
) -> Result<DeploymentStatus, Failure> {
    let mut shown = "cpe has not answered".to_owned();
    let waiting = until_it_holds(client, name, condition, &mut shown);
    // Even without patience it is looked once.
    match timeout_at(deadline(timeout.max(LOOK)), waiting).await {
        Ok(status) => status,
        Err(_) => {
            let (condition, time) = (condition.of(name), duration(timeout));
            let text = format!("{condition} after {time} ({shown})");
            Err(Failure::new(Kind::Timeout, text))
        }
    }
}

/// Keeps in `shown` what the deployment is meanwhile.
async fn until_it_holds(
    client: &Client,
    name: &str,
    condition: &Condition,
    shown: &mut String,
) -> Result<DeploymentStatus, Failure> {
    // The events only say when to look again.
    let now = Timestamp::now().as_microsecond();
    let filter = Filter {
        deployment: name.to_owned(),
        since: u64::try_from(now).ok(),
        ..Filter::default()
    };
    let mut follower = Follower::new(client, filter, 0).await?;
    // The document that is stored now is to be in force: its DPE may not have it yet.
    let mut least = None;
    loop {
        if least.is_none() {
            least = stored(client, name).await?;
        }
        // The daemon may be restarting: that is not a reason to give up before the time is over.
        *shown = match client.status(name).await {
            Ok(status) => {
                let is_current = least.is_some_and(|least| status.generation >= least);
                if let Some(end) = end(&status, is_current, condition) {
                    return end.map(|()| status);
                }
                match status.summary.as_str() {
                    "" => status.state.to_string(),
                    summary => format!("{}: {summary}", status.state),
                }
            }
            Err(failure) if failure.kind == Kind::NotFound => return Err(gone(name)),
            Err(failure) => failure.message,
        };
        tokio::time::sleep(PAUSE).await;
        let _ = follower.next_within(QUIET).await;
    }
}

/// The generation that is stored; `None` if that cannot be said now.
async fn stored(client: &Client, name: &str) -> Result<Option<u64>, Failure> {
    match client.deployment(name).await?.generation().await {
        Ok(generation) => Ok(Some(generation)),
        Err(error) => {
            let failure = client.with_deployments(error).await;
            match failure.kind {
                Kind::NotFound | Kind::Denied => Err(failure),
                _ => Ok(None),
            }
        }
    }
}

fn gone(name: &str) -> Failure {
    Failure::new(Kind::NotFound, format!("deployment {name} is gone"))
}

fn report(status: &DeploymentStatus, output: &Output) -> Result<(), Failure> {
    if output.json {
        return output.json(status);
    }
    output.line(status::headline(status));
    Ok(())
}

/// How the wait ends with this status, if it does.
fn end(
    status: &DeploymentStatus,
    is_current: bool,
    condition: &Condition,
) -> Option<Result<(), Failure>> {
    let name = &status.name;
    if status.state == DeploymentState::Destroying {
        let text = format!("deployment {name} is being destroyed");
        return Some(Err(Failure::new(Kind::Conflict, text)));
    }
    if !is_current || !status.is_complete() {
        return None;
    }
    match condition {
        Condition::Active => match status.state {
            DeploymentState::Active if !is_under_way(status) => Some(Ok(())),
            DeploymentState::Failed => Some(Err(Failure::failed(format!(
                "deployment {name} failed: {}",
                status.summary
            )))),
            _ => None,
        },
        Condition::Settled => (!is_under_way(status)).then_some(Ok(())),
        Condition::Service(service, role) => match services(status, service) {
            Some(found) => found.iter().all(|of| of.is(*role)).then_some(Ok(())),
            None => Some(Err(Failure::new(
                Kind::NotFound,
                format!("{name} has no service `{service}`"),
            ))),
        },
    }
}

/// Whether something is being decided or done.
pub(crate) fn is_under_way(status: &DeploymentStatus) -> bool {
    let transition = status.transition.as_ref();
    status.deciding
        || transition.is_some_and(|transition| transition.state == TransitionState::Running)
}

/// A service's instances, and how many of them the last decision has run.
struct Instances<'a> {
    all: Vec<&'a ServiceStatus>,
    wanted: u32,
    promoted: u32,
}

impl Instances<'_> {
    fn is(&self, role: Role) -> bool {
        let count = |role: &[ServiceRole]| {
            let found = self.all.iter().filter(|one| role.contains(&one.role));
            u32::try_from(found.count()).unwrap_or(u32::MAX)
        };
        match role {
            Role::Started => {
                let running = count(&[ServiceRole::Started, ServiceRole::Promoted]);
                running >= self.wanted.max(1)
            }
            Role::Promoted => count(&[ServiceRole::Promoted]) >= self.promoted.max(1),
            // What is not known is not stopped.
            Role::Stopped => self
                .all
                .iter()
                .all(|one| one.role == ServiceRole::Stopped && one.state == ServiceState::Stopped),
        }
    }
}

/// The services of that name: itself, those in a group or a clone, or one instance; `None` if there
/// is none.
fn services<'a>(status: &'a DeploymentStatus, name: &str) -> Option<Vec<Instances<'a>>> {
    let mut resources = status.resources.iter().flat_map(ResourceStatus::all);
    if let Some(found) = resources.find(|resource| resource.name == name) {
        let leaves = found.all().into_iter().filter(|it| it.members.is_empty());
        let instances = leaves.map(|leaf| Instances {
            all: status
                .services
                .iter()
                .filter(|one| one.service == leaf.name)
                .collect(),
            wanted: leaf.wanted,
            promoted: leaf.promoted,
        });
        return Some(instances.collect());
    }
    let all: Vec<_> = status
        .services
        .iter()
        .filter(|one| one.name == name || one.service == name)
        .collect();
    (!all.is_empty()).then(|| {
        vec![Instances {
            all,
            wanted: 1,
            promoted: 1,
        }]
    })
}

/// When a wait ends that begins now.
pub(crate) fn deadline(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(LONGEST)
}

/// Where the event log ends now.
pub(crate) async fn newest_cursor(client: &Client) -> Result<u64, Failure> {
    // No event is of this kind: the reply is only where the log ends.
    let nothing = Filter {
        kind: "none.such".into(),
        ..Filter::default()
    };
    let events = client.events().await?;
    let (_, next) = events.query(0, 1, nothing.to_fields()).await?;
    Ok(next)
}

/// Failure of a wait that took too long; `state` is what the deployment is not yet.
pub(crate) fn timed_out(name: &str, state: &str, timeout: Duration) -> Failure {
    Failure::new(
        Kind::Timeout,
        format!(
            "deployment {name} is not {state} after {}; the work goes on",
            duration(timeout)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(name: &str, role: ServiceRole, state: ServiceState) -> ServiceStatus {
        let service = name.split(':').next().unwrap_or_default();
        ServiceStatus {
            name: name.into(),
            service: service.into(),
            role,
            state,
            ..ServiceStatus::default()
        }
    }

    /// A clone of `web` of which two are wanted, and `db`, which is stopped.
    fn shop() -> DeploymentStatus {
        let leaf = |name: &str, wanted: u32| ResourceStatus {
            name: name.into(),
            wanted,
            ..ResourceStatus::default()
        };
        DeploymentStatus {
            name: "shop".into(),
            state: DeploymentState::Degraded,
            generation: 3,
            epoch: 1,
            resources: vec![
                ResourceStatus {
                    members: vec![leaf("web", 2)],
                    ..leaf("web-clone", 0)
                },
                leaf("db", 0),
            ],
            services: vec![
                instance("web:0", ServiceRole::Started, ServiceState::Started),
                instance("web:1", ServiceRole::Started, ServiceState::Failed),
                instance("web:2", ServiceRole::Stopped, ServiceState::Stopped),
                instance("db", ServiceRole::Stopped, ServiceState::Stopped),
            ],
            ..DeploymentStatus::default()
        }
    }

    fn holds(status: &DeploymentStatus, condition: &str) -> bool {
        let condition = condition.parse().unwrap();
        matches!(end(status, true, &condition), Some(Ok(())))
    }

    #[test]
    fn a_service_is_started_when_as_many_run_as_are_wanted() {
        let mut status = shop();
        for name in ["web", "web-clone", "web:0", "web:1"] {
            assert!(holds(&status, &format!("service={name}:started")), "{name}");
        }
        assert!(!holds(&status, "service=web:2:started"));
        assert!(!holds(&status, "service=web:promoted"));
        status.services[1].role = ServiceRole::Unknown;
        assert!(!holds(&status, "service=web:started"));
        assert!(holds(&status, "service=db:stopped"));
        assert!(!holds(&status, "service=db:started"));
        assert!(!holds(&status, "service=web:stopped"));
    }

    #[test]
    fn what_is_not_known_is_not_stopped() {
        let mut status = shop();
        status.services[3].role = ServiceRole::Unknown;
        assert!(!holds(&status, "service=db:stopped"));
        status.services[3].role = ServiceRole::Stopped;
        status.services[3].state = ServiceState::Blocked;
        assert!(!holds(&status, "service=db:stopped"));
    }

    #[test]
    fn nothing_holds_of_a_document_that_is_not_loaded_yet_or_while_it_changes() {
        let mut status = shop();
        assert!(holds(&status, "settled") && !holds(&status, "active"));
        assert!(end(&status, false, &Condition::Settled).is_none());
        status.deciding = true;
        assert!(!holds(&status, "settled"));
        status.deciding = false;
        status.state = DeploymentState::Active;
        assert!(holds(&status, "active"));
        status.epoch = 0;
        assert!(!holds(&status, "active") && !holds(&status, "settled"));
        status.state = DeploymentState::Destroying;
        assert!(matches!(
            end(&status, true, &Condition::Active),
            Some(Err(_))
        ));
    }

    #[test]
    fn a_service_that_does_not_exist_is_not_waited_for() {
        let condition = "service=none:started".parse().unwrap();
        let failure = end(&shop(), true, &condition).unwrap().unwrap_err();
        assert_eq!(failure.kind, Kind::NotFound);
    }
}
