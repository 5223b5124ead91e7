//! Checking a document before anything is stored: size, form, meaning.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cpe_bus::records::ProblemRecord;
use cpe_bus::{Error, Result};
use deployment::{Deployment, FencingMode, Problem, Severity};
use tokio::sync::Semaphore;

use crate::config::Limits;
use crate::facts::{Facts, Known};
use crate::sync::{lock, turn};

/// Reads documents one after another, away from the event loop: a large one takes its time, and two
/// at once gain nothing.
pub(crate) struct Reader {
    turn: Semaphore,
    /// The turn of documents that are stored: what is supervised waits for none that is sent.
    stored: Semaphore,
    /// The turn of simulations that go on for as long as they may.
    simulated: Semaphore,
    /// Bounds the documents that are being read or wait for it.
    places: Places,
    /// The same of those that are being planned.
    plans: Places,
    limits: Limits,
    /// More than one host may run what a document says.
    is_shared: bool,
}

/// Documents that are read or wait to be read, and the same of plans. With one of 8 MiB each, which
/// is the largest by default, each would be a sixth of the daemon's memory limit.
const PLACES: usize = 32;
/// The same of one principal: others find places left.
const PLACES_OF_ONE: usize = 16;
/// Of guests that another host takes over: it takes up to 13 s (docs/dev/scale-out.md), and a
/// renewal may be a second old then.
const SHORTEST_LEASE: Duration = Duration::from_secs(15);
/// Largest documents of one principal that fit into its share, in bytes: others wait for no more.
const LARGEST_OF_ONE: usize = 2;

/// Whose documents wait. Whoever has any role may have one checked, and must keep nobody else from
/// deploying by that.
#[derive(Debug, Default)]
struct Places(Mutex<HashMap<String, Share>>);

/// What one principal has there.
#[derive(Debug, Default, Clone, Copy)]
struct Share {
    documents: usize,
    bytes: usize,
}

/// A document's place; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    places: &'a Places,
    who: &'a str,
    bytes: usize,
}

impl Places {
    /// A place for a document of so many bytes; `most`: the bytes of one principal.
    ///
    /// # Errors
    /// [`Error::Busy`] if there is none left.
    fn enter<'a>(&'a self, who: &'a str, bytes: usize, most: usize) -> Result<Place<'a>> {
        let mut shares = lock(&self.0);
        if shares.values().map(|share| share.documents).sum::<usize>() >= PLACES {
            let text = format!("{PLACES} documents wait to be read or planned with; try again");
            return Err(Error::Busy(text));
        }
        let own = shares.get(who).copied().unwrap_or_default();
        if own.documents >= PLACES_OF_ONE || own.bytes.saturating_add(bytes) > most {
            return Err(Error::Busy(format!(
                "{} documents of `{who}`, of {} bytes together, wait to be read or planned with; wait for replies",
                own.documents, own.bytes
            )));
        }
        let share = Share {
            documents: own.documents + 1,
            bytes: own.bytes + bytes,
        };
        shares.insert(who.to_owned(), share);
        Ok(Place {
            places: self,
            who,
            bytes,
        })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut shares = lock(&self.places.0);
        if let Some(share) = shares.get_mut(self.who) {
            share.documents -= 1;
            share.bytes -= self.bytes;
            if share.documents == 0 {
                shares.remove(self.who);
            }
        }
    }
}

/// A document that may be stored.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub name: String,
    pub uuid: Option<String>,
    pub text: Arc<str>,
    pub facts: Facts,
}

/// Everything that there is to say about a document.
#[derive(Debug)]
pub(crate) struct Report {
    pub accepted: Option<Accepted>,
    pub problems: Vec<Problem>,
    /// Why it is refused although it has no errors: it is more than a DPE can carry.
    pub excess: Option<String>,
}

impl Reader {
    pub(crate) fn new(limits: &Limits, is_shared: bool) -> Reader {
        Reader {
            turn: Semaphore::new(1),
            stored: Semaphore::new(1),
            simulated: Semaphore::new(1),
            places: Places::default(),
            plans: Places::default(),
            limits: limits.clone(),
            is_shared,
        }
    }

    /// # Errors
    /// [`Error::TooLarge`]; [`Error::Busy`] if too many wait, of `who` or in all. Problems of the
    /// document are in the report.
    pub(crate) async fn report(&self, who: &str, document: String) -> Result<Report> {
        if document.len() > self.limits.document {
            return Err(Error::TooLarge(format!(
                "the document has {} bytes, at most {} are taken (limits.document in cpe.toml)",
                document.len(),
                self.limits.document
            )));
        }
        let _place = self.places.enter(who, document.len(), self.share())?;
        let (most, is_shared) = (self.limits.placements, self.is_shared);
        self.in_turn(move || {
            let mut outcome = deployment::read_with_warnings(document.as_bytes());
            if let Some(deployment) = outcome.deployment.as_ref().filter(|_| is_shared) {
                let further = on_several_hosts(deployment, &document);
                let is_refused = further.iter().any(|it| it.severity == Severity::Error);
                outcome.problems.extend(further);
                if is_refused {
                    outcome.deployment = None;
                }
            }
            let accepted = outcome.deployment.map(|deployment| Accepted {
                facts: Facts::of(&deployment),
                name: deployment.name,
                uuid: deployment.uuid,
                text: document.into(),
            });
            let excess = accepted
                .as_ref()
                .and_then(|accepted| excess(&accepted.facts, most));
            Report {
                accepted: accepted.filter(|_| excess.is_none()),
                problems: outcome.problems,
                excess,
            }
        })
        .await
    }

    /// Plans with a document of so many bytes, which is kept until that is done: its place.
    ///
    /// # Errors
    /// [`Error::Busy`] if too many are being planned, of `who` or in all.
    pub(crate) fn plan_place<'a>(&'a self, who: &'a str, bytes: usize) -> Result<Place<'a>> {
        self.plans.enter(who, bytes, self.share())
    }

    /// Bytes that one principal may have waiting.
    fn share(&self) -> usize {
        self.limits.document.saturating_mul(LARGEST_OF_ONE)
    }

    /// What a document that was accepted once says; `claims`: what it claims, as it was stored.
    ///
    /// # Errors
    /// [`Error::Failed`] if reading it panicked, or the daemon ends.
    pub(crate) async fn facts(&self, document: String, claims: &str) -> Result<Facts> {
        let read = run(&self.stored, move || {
            deployment::read(document.as_bytes()).map(|deployment| Facts::of(&deployment))
        });
        Ok(match read.await? {
            Ok(facts) => facts,
            Err(_) => Facts::unread(claims),
        })
    }

    /// What a document claims, to be stored; empty if it cannot be read.
    pub(crate) async fn claims_of(&self, document: String) -> String {
        match self.facts(document, "").await {
            Ok(facts) if facts.known == Known::All => facts.claims_to_store(),
            _ => String::new(),
        }
    }

    /// Runs what may take long with a large document: off the event loop, one at a time.
    ///
    /// # Errors
    /// [`Error::Failed`] if `work` panicked.
    pub(crate) async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        run(&self.turn, work).await
    }

    /// The same of what uses up the time that it is given: nobody's document waits for that.
    ///
    /// # Errors
    /// As of [`Reader::in_turn`].
    pub(crate) async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        run(&self.simulated, work).await
    }

    /// The document, if it has no errors; warnings go to the log.
    ///
    /// # Errors
    /// [`Error::InvalidDocument`] with every problem on a line of its own, [`Error::TooLarge`].
    pub(crate) async fn accept(&self, who: &str, document: String) -> Result<Accepted> {
        let report = self.report(who, document).await?;
        if let Some(excess) = report.excess {
            return Err(Error::TooLarge(excess));
        }
        match report.accepted {
            Some(accepted) => {
                for problem in &report.problems {
                    tracing::warn!(cpe_deployment = accepted.name, "document: {problem}");
                }
                Ok(accepted)
            }
            None => {
                let lines: Vec<String> = report.problems.iter().map(Problem::to_string).collect();
                Err(Error::InvalidDocument(lines.join("\n")))
            }
        }
    }
}

async fn run<T: Send + 'static>(
    semaphore: &Semaphore,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let _turn = turn(semaphore).await;
    let done = tokio::task::spawn_blocking(|| cpe_daemon::confine(work));
    done.await
        .map_err(|error| Error::Failed(format!("the daemon is shutting down ({error})")))?
        .map_err(|error| Error::Failed(error.to_string()))
}

/// What does not go well where another host may take the deployment over.
fn on_several_hosts(deployment: &Deployment, document: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut say = |severity, near: &str, message: String, hint: &str| {
        let (line, column) = place_of(document, near);
        problems.push(Problem {
            line,
            column,
            severity,
            message,
            hint: Some(hint.to_owned()),
        });
    };
    for assembly in &deployment.assemblies {
        // Another host may have such a unit too: that it is stopped says nothing of the guest.
        if let FencingMode::Unit { unit } = &assembly.fencing.mode {
            let message = format!(
                "assembly '{}' is fenced by a unit of one host, {unit}, and another host may run this deployment",
                assembly.name
            );
            let hint = "use a fence agent (mode 'agent'), 'lease' or 'manager'";
            say(Severity::Error, unit, message, hint);
        }
    }
    let keeps_leases = |mode: &FencingMode| matches!(mode, FencingMode::Lease);
    let lease = deployment.heartbeat.lease;
    let all = &deployment.assemblies;
    if lease < SHORTEST_LEASE && all.iter().any(|it| keeps_leases(&it.fencing.mode)) {
        let message = format!(
            "the lease is {} s, and until another host has taken over from one that is lost, more may pass: services would stop",
            lease.as_secs_f32()
        );
        let hint = "write lease='30s' on <deployable>";
        say(Severity::Warning, "lease=", message, hint);
    }
    problems
}

/// Where the document has that text first; its beginning, if it does not have it.
fn place_of(document: &str, text: &str) -> (u32, u32) {
    let before = &document[..document.find(text).unwrap_or(0)];
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let line = before.rsplit('\n').next().unwrap_or_default();
    let lines = before.matches('\n').count();
    (number(lines + 1), number(line.chars().count() + 1))
}

/// Why a document is more than a DPE can carry, if it is.
fn excess(facts: &Facts, most: u64) -> Option<String> {
    (facts.placements > most).then(|| {
        format!(
            "{} services in {} assemblies are {} placements (services × assemblies; instances of clones count more); at most {most} \
             are taken (limits.placements in cpe.toml), so that a decision fits into the memory of a DPE: make several deployments \
             of it",
            facts.services, facts.assemblies.len(), facts.placements
        )
    })
}

impl Report {
    /// Everything that there is to say, as it crosses the bus.
    pub(crate) fn records(&self) -> Vec<ProblemRecord> {
        let problems = self.problems.iter().map(|problem| ProblemRecord {
            severity: match problem.severity {
                Severity::Error => "error".into(),
                Severity::Warning => "warning".into(),
            },
            line: problem.line,
            column: problem.column,
            message: problem.text(),
        });
        let excess = self.excess.iter().map(|excess| ProblemRecord {
            severity: "error".into(),
            line: 0,
            column: 0,
            message: excess.clone(),
        });
        problems.chain(excess).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_many_documents_read_leaves_places_for_others() {
        let places = Places::default();
        let mut held = Vec::new();
        while let Ok(place) = places.enter("user:eve", 8, 1000) {
            held.push(place);
        }
        assert_eq!(held.len(), PLACES_OF_ONE);
        let of_alice = places.enter("user:alice", 8, 1000).unwrap();
        // Two of the largest, and none of any size beside them.
        let one = places.enter("user:bob", 500, 1000).unwrap();
        let _two = places.enter("user:bob", 500, 1000).unwrap();
        assert!(places.enter("user:bob", 1, 1000).is_err());
        drop(one);
        assert!(places.enter("user:bob", 1, 1000).is_ok());
        while let Ok(place) = places.enter("user:carl", 8, 1000) {
            held.push(place);
        }
        assert!(held.len() < PLACES, "in all, with those of alice and bob");
        drop(of_alice);
        assert!(places.enter("user:alice", 8, 1000).is_ok());
    }

    #[tokio::test]
    async fn what_ties_a_deployment_to_one_host_is_refused_where_several_share_it() {
        let document = |lease: &str, fencing: &str| {
            format!(
                "<deployable name='shop'{lease}><assemblies>\n  <assembly name='web1' address='tcp:10.0.0.1:7'>{fencing}</assembly>\n\
                 </assemblies></deployable>"
            )
        };
        let said = async |shared: bool, lease: &str, fencing: &str| {
            let reader = Reader::new(&Limits::default(), shared);
            let report = reader
                .report("user:a", document(lease, fencing))
                .await
                .unwrap();
            let further: Vec<String> = report
                .problems
                .iter()
                .map(Problem::to_string)
                .filter(|text| text.contains("host"))
                .collect();
            (report.accepted.is_some(), further)
        };
        let (by_lease, by_unit) = (
            "<fencing mode='lease'/>",
            "<fencing mode='unit' unit='vm@web1.service'/>",
        );
        for lease in ["", " lease='20s'"] {
            assert_eq!(said(false, lease, by_lease).await, (true, Vec::new()));
        }
        assert_eq!(
            said(true, " lease='20s'", by_lease).await,
            (true, Vec::new())
        );
        let (taken, further) = said(true, " lease='12s'", by_lease).await;
        assert!(
            taken && further[0].starts_with("1:25: warning: the lease is 12 s"),
            "{further:?}"
        );
        let (taken, further) = said(true, "", by_lease).await;
        assert!(
            taken && further[0].starts_with("1:1: warning: the lease is 10 s"),
            "{further:?}"
        );
        assert!(said(false, "", by_unit).await.0);
        let (taken, further) = said(true, " lease='20s'", by_unit).await;
        assert!(!taken && further[0].starts_with("2:"), "{further:?}");
        assert!(
            further[0].contains(
                "error: assembly 'web1' is fenced by a unit of one host, vm@web1.service"
            ),
            "{further:?}"
        );
    }
}
