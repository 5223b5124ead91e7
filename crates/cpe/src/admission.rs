//! Whether a document leaves room: with it in force, would every service run after the loss of any
//! one assembly? What becomes of one that does not is a setting (`admission.room`).
//!
//! Nobody waits long for that: what is not known when the time is over is said to be so, and keeps
//! nothing from being deployed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cpe_bus::fields::put;
use cpe_bus::{Error, Fields, Result, json};
use cpe_status::{Plan, RoomReport, RoomScope};

use crate::config::Room;
use crate::documents::Accepted;
use crate::host::Host;
use crate::plan::{self, Fresh};
use crate::rooms::Question;

/// Services × assemblies of a document that is looked at. A simulation holds two decisions, of some
/// 2.5 kB each, and `MemoryMax=` of a DPE is 1 GiB.
const MOST_PLACEMENTS: u64 = 100_000;
/// How long losses are simulated for a deployment that is to be, as a DPE does for its own.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long is waited for that, with the reading of a large document and the turns of others.
const LONGEST: Duration = Duration::from_secs(8);

/// What is found out within the time.
///
/// # Errors
/// [`Error::NotReady`] if the deployment exists and its DPE cannot say it; [`Error::Busy`] if `who`
/// has too many documents planned at a time, or all together.
pub(crate) async fn room(host: &Arc<Host>, who: &str, accepted: &Accepted) -> Result<RoomReport> {
    if accepted.facts.placements > MOST_PLACEMENTS {
        return Ok(RoomReport {
            too_large: true,
            ..unknown(accepted)
        });
    }
    let _place = host.core.documents.plan_place(who, accepted.text.len())?;
    let question = question(host, accepted);
    let found = tokio::time::timeout(LONGEST, look(host, accepted)).await;
    // Else nobody asks again before it is stored.
    if let Ok(Ok(report)) = &found
        && host.core.config.admission.room == Room::Refuse
    {
        host.rooms.keep(question, report);
    }
    found.unwrap_or_else(|_| Ok(unknown(accepted)))
}

/// What the answer depends on.
fn question(host: &Host, accepted: &Accepted) -> Question {
    let deployment = host.core.registry.get(&accepted.name);
    Question {
        document: Arc::clone(&accepted.text),
        generation: deployment.map(|deployment| deployment.row().generation),
        event: *host.core.store.head().borrow(),
    }
}

/// Nothing was looked at.
fn unknown(accepted: &Accepted) -> RoomReport {
    RoomReport {
        deployment: accepted.name.clone(),
        planned: true,
        scope: RoomScope::Any,
        holds: true,
        not_looked_at: accepted.facts.assemblies.len(),
        ..RoomReport::default()
    }
}

async fn look(host: &Arc<Host>, accepted: &Accepted) -> Result<RoomReport> {
    let Some(deployment) = host.core.registry.get(&accepted.name) else {
        let accepted = accepted.clone();
        let work = move || from_nothing(&accepted);
        return host.core.documents.beside(work).await?;
    };
    deployment.must_be_here()?;
    let not_ready = |reason: String| Error::NotReady(format!("its DPE cannot say it: {reason}"));
    let pid = deployment.view().pid;
    let dpe = host.dpes.asker(&accepted.name, pid).await;
    let dpe = dpe.map_err(|error| not_ready(error.to_string()))?;
    let mut options = Fields::new();
    put(&mut options, "document", &*accepted.text);
    let told = dpe.check_room(options).await;
    let told = told.map_err(|error| not_ready(error.message()))?;
    let report: RoomReport = json::from_json(&told)?;
    match report.planned {
        true => Ok(report),
        false => Err(not_ready("it is of an earlier version".to_owned())),
    }
}

fn from_nothing(accepted: &Accepted) -> Result<RoomReport> {
    let Fresh { controller, now } = Fresh::new(&accepted.name)?;
    let proposal = controller::Proposal::read(&accepted.name, accepted.text.to_string());
    let input = proposal.and_then(|proposal| controller.plan_room_of(now, &proposal));
    let end = Instant::now() + PATIENCE;
    let mut goes_on = || Instant::now() < end;
    let answer = input.and_then(|input| input.answer_first(plan::zone, &mut goes_on));
    answer.map_err(plan::refused)
}

/// Says in a plan what was found out, and whether the document would be refused for it.
pub(crate) fn tell(host: &Host, plan: &mut Plan, found: Result<RoomReport>) {
    let report = match found {
        Ok(report) => report,
        Err(error) => {
            let unknown = "whether there is room after a loss is not known";
            plan.warnings
                .push(format!("{unknown}: {}", error.message()));
            return;
        }
    };
    let is_refused = host.core.config.admission.room == Room::Refuse && !report.holds;
    match is_refused {
        true => plan.refused.extend(report.warnings()),
        false => plan.warnings.extend(report.warnings()),
    }
    plan.room = Some(Box::new(report));
}

/// Refuses a document that leaves no room, if that is the setting. What cannot be found out refuses
/// nothing: perhaps the DPE is away because of the very document that is to be replaced.
///
/// # Errors
/// [`Error::Refused`] with what would not fit, and what would make it fit.
pub(crate) async fn admit(host: &Arc<Host>, who: &str, accepted: &Accepted) -> Result<()> {
    if host.core.config.admission.room == Room::Warn || is_stored(host, accepted).await {
        return Ok(());
    }
    let found = match host.rooms.again(&question(host, accepted)) {
        Some(report) => Ok(report),
        None => room(host, who, accepted).await,
    };
    match found {
        Ok(report) if report.holds => Ok(()),
        Ok(report) => Err(Error::Refused(refusal(&report))),
        Err(error) => {
            tracing::warn!(
                cpe_deployment = accepted.name,
                "document: whether there is room after a loss is not known, and it is taken: {}",
                error.message()
            );
            Ok(())
        }
    }
}

/// The document is the present one: storing it changes nothing.
async fn is_stored(host: &Host, accepted: &Accepted) -> bool {
    let found = host.core.store.document(&accepted.name, 0).await;
    matches!(found, Ok(Some((text, _))) if *text == *accepted.text)
}

fn refusal(report: &RoomReport) -> String {
    format!(
        "one loss would leave services out, and this host takes no such document (admission.room in cpe.toml) unless it is forced: {}",
        report.warnings().join("; ")
    )
}

#[cfg(test)]
mod tests {
    use cpe_status::{RoomLoss, RoomOutcome, RoomService};

    use super::*;

    #[test]
    fn a_refusal_says_what_would_not_fit_and_by_which_setting() {
        let lost = RoomService {
            service: "db".into(),
            outcome: RoomOutcome::Down,
            ..RoomService::default()
        };
        let report = RoomReport {
            losses: vec![RoomLoss {
                assemblies: vec!["db1".into()],
                services: vec![lost],
                ..RoomLoss::default()
            }],
            ..RoomReport::default()
        };
        let text = refusal(&report);
        assert!(text.contains("admission.room in cpe.toml"), "{text}");
        assert!(text.ends_with("without db1, db would not run"), "{text}");
    }
}
