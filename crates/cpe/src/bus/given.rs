//! Orders with an id: each is durable before anything is done, so that it is done once however
//! often it is sent, and whoever dies meanwhile.
//!
//! What was under way when the daemon or the DPE died has no answer. What is harmless to do twice
//! is done again then; of all else it is said that nobody knows.

use std::sync::Arc;
use std::time::Duration;

use cpe_bus::orders::{OrderError, OrderReport, OrderState, Ordered, is_order_id};
use cpe_bus::{Error, Result, json};
use cpe_status::{DebugReport, DebugState};
use cpe_store::{Ending, Given, Taken};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::commands::{self, Command};
use super::link::Permit;
use super::{not_found, stored};
use crate::audit;
use crate::host::Host;
use crate::places::{self, Place};
use crate::registry::Deployment;

/// A call waits so long for the end of its order.
const WAIT: Duration = Duration::from_secs(2);
/// Pause before something is tried again that is harmless.
const AGAIN: Duration = Duration::from_secs(2);
/// So often it is tried again: the supervisor has a DPE that died running again well before.
const TRIES: u32 = 30;
/// Pauses before it is asked again how far a resource agent is: the first, and the longest.
const FOLLOW: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));
/// So long it is asked: longer than any timeout of a debug operation that a person waits for.
const FOLLOWED: Duration = Duration::from_secs(3600);
/// Bytes of each stream of a resource agent that are kept.
const LONGEST_STREAM: usize = 4 * 1024;
/// Bytes of a plan that is kept.
const LONGEST_PLAN: usize = 8 * 1024;
/// It was ended, or ended and made again.
const GONE: &str = "there is no such deployment any more";
/// MESSAGE_ID of the line that says that nobody knows whether an order was done.
const NOT_KNOWN: &str = "5b0c44a76c0c4c6e9d0f9a3f2b6e8d17";

/// Takes an order and has it done, unless it was given before: what has become of it.
pub(super) async fn give(
    permit: &Permit,
    deployment: &Arc<Deployment>,
    id: &str,
    order: Ordered,
) -> Result<String> {
    check_id(id)?;
    let request = order.text();
    let command = Command::of(order)?;
    permit.also(command.method(), &deployment.name).await?;
    // Where it runs somebody gives it and follows it.
    deployment.must_be_here()?;
    let Permit { host, caller, .. } = permit;
    host.core.may_change()?;
    let wanted = Given {
        principal: caller.who.principal.clone(),
        id: id.to_owned(),
        deployment: deployment.name.clone(),
        uuid: deployment.row().uuid,
        request,
        who: audit::details(host, caller).await,
        cursor: 0,
        begun: 0,
        ended: 0,
        ending: None,
        result: String::new(),
    };
    let place = host.orders.enter(&wanted.principal, id);
    let may_begin = place.is_some();
    let store = &host.core.store;
    let taken = match may_begin {
        true => store.take_order(wanted),
        // Who sends one again that was given hears of it.
        false => store.known_order(wanted),
    };
    let given = match stored(taken).await? {
        Taken::New(given) => given,
        Taken::Known(given) => return report(&given),
        Taken::Other => return Err(other(id)),
        Taken::Gone => return Err(not_found(&deployment.name)),
        Taken::TooMany(count) => {
            return Err(Error::Busy(format!(
                "{count} orders were given within a week already: no more are kept; give it without an id (cpectl), or wait"
            )));
        }
    };
    let Some(place) = place else {
        return Err(Error::Busy(format!(
            "too many orders are under way (of one principal {} at a time, of all {}): try again",
            places::OF_ONE,
            places::OF_ALL
        )));
    };
    let key = given.key();
    match start(permit, deployment, given.clone(), command, place) {
        Some(ended) => drop(tokio::time::timeout(WAIT, ended).await),
        None => {
            let lost = Error::NotReady("cpe has lost its connection to the bus; try again".into());
            conclude(host, &given, Ending::NotNow, &why(&lost)).await;
        }
    }
    let given = stored(host.core.store.taken_order(&key)).await?;
    report(&given.ok_or_else(|| {
        let gone = "the deployment was destroyed meanwhile, and the order forgotten with it";
        Error::OutcomeUnknown(gone.into())
    })?)
}

/// What has become of an order of the caller's.
pub(super) async fn get(permit: &Permit, deployment: &Deployment, id: &str) -> Result<String> {
    let none = || {
        Error::NotFound(format!(
            "you have given no order with that id for `{}` within a week",
            deployment.name
        ))
    };
    check_id(id).map_err(|_| none())?;
    let Permit { host, caller, .. } = permit;
    let given = stored(host.core.store.order(&caller.who.principal, id)).await?;
    let given = given.filter(|given| given.deployment == deployment.name);
    let given = given.ok_or_else(none)?;
    let command = Command::of(Ordered::read(&given.request)?)?;
    permit.also(command.method(), &deployment.name).await?;
    report(&given)
}

fn check_id(id: &str) -> Result<()> {
    match is_order_id(id) {
        true => Ok(()),
        false => Err(Error::InvalidArgument(
            "the id of an order must be a UUID in small letters, as 0f8fad5b-d9cb-469f-a165-70867728950e".into(),
        )),
    }
}

fn other(id: &str) -> Error {
    Error::Exists(format!(
        "you have given another order with the id {id}: take a new id for a new order"
    ))
}

/// Does it beside the caller, who may go away; the end of it. `None`: the connection has ended, and
/// nothing is begun.
fn start(
    permit: &Permit,
    deployment: &Arc<Deployment>,
    given: Given,
    command: Command,
    place: Place,
) -> Option<oneshot::Receiver<()>> {
    let (end, ended) = oneshot::channel();
    let (permit_of_it, deployment) = (permit.clone(), Arc::clone(deployment));
    permit.host.spawn(async move {
        let host = &permit_of_it.host;
        let by = (Some(&permit_of_it), false);
        let (ending, result) = do_it(host, &deployment, &given, &command, by).await;
        conclude(host, &given, ending, &result).await;
        drop(place);
        let _ = end.send(());
    })?;
    Some(ended)
}

/// Does it; how it ended, and what came of it. `permit`: of whom has given it, who may lose the
/// right before it is done; `is_again`: it was begun before.
async fn do_it(
    host: &Host,
    deployment: &Arc<Deployment>,
    given: &Given,
    command: &Command,
    (permit, mut is_again): (Option<&Permit>, bool),
) -> (Ending, String) {
    let mut tries = 0;
    loop {
        if !host.core.registry.has(deployment) {
            return match is_again {
                true => (Ending::Unknown, unknown(GONE)),
                false => (Ending::Failed, why(&Error::NotFound(GONE.to_owned()))),
            };
        }
        let by = (permit, &given.who);
        let failure = match commands::carry_out(host, deployment, by, command).await {
            Ok(told) if command.is_debug() => {
                return follow(host, deployment, given, told).await;
            }
            Ok(told) if told.len() > LONGEST_PLAN => return (Ending::Done, String::new()),
            Ok(told) => return (Ending::Done, output(&told)),
            Err(failure) => failure,
        };
        is_again |= failure.is_unknown;
        let is_not_now = matches!(failure.error, Error::NotReady(_) | Error::Busy(_));
        let is_open = is_again && (failure.is_unknown || is_not_now);
        if is_open && command.is_harmless() && tries < TRIES {
            tries += 1;
            tokio::time::sleep(AGAIN).await;
            continue;
        }
        // What was not done now may have been done when it was begun before.
        return match &failure.error {
            Error::OutcomeUnknown(text) => (Ending::Unknown, unknown(text)),
            error if is_again => {
                let what = format!(
                    "it was begun before, and could not be done again ({})",
                    error.message()
                );
                (Ending::Unknown, unknown(&what))
            }
            error if is_not_now => (Ending::NotNow, why(error)),
            error => (Ending::Failed, why(error)),
        };
    }
}

/// Waits until a resource agent has done what it was had to do.
async fn follow(
    host: &Host,
    deployment: &Arc<Deployment>,
    given: &Given,
    mut told: String,
) -> (Ending, String) {
    let (mut is_noted, mut pause, begun) = (false, FOLLOW.0, Instant::now());
    while begun.elapsed() < FOLLOWED {
        let Ok(report) = json::from_json::<DebugReport>(&told) else {
            return (Ending::Unknown, unknown("the DPE's report cannot be read"));
        };
        let id = report.id.clone();
        let is_going_on = matches!(report.state, DebugState::Running | DebugState::Looking);
        let output = output(&shortened(report));
        if !is_going_on {
            return (Ending::Done, output);
        }
        if !is_noted {
            let key = given.key();
            let noted = stored(host.core.store.note_order(&key, &output));
            is_noted = noted.await.is_ok();
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(FOLLOW.1);
        if !host.core.registry.has(deployment) {
            return (Ending::Unknown, unknown(GONE));
        }
        let answer = match commands::reach(host, deployment).await {
            Ok(dpe) => dpe.get_debug(&id).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(text) => told = text,
            Err(Error::NotFound(_)) => {
                let what = "nothing is known any more of what the resource agent did";
                return (Ending::Unknown, unknown(what));
            }
            Err(_) => {}
        }
    }
    (Ending::Unknown, unknown("the resource agent does not end"))
}

/// A report of what was run once, of which the end of each stream is kept.
fn shortened(mut report: DebugReport) -> String {
    let cut = |text: &mut String, before: &mut u64| {
        if text.len() > LONGEST_STREAM {
            let mut at = text.len() - LONGEST_STREAM;
            while !text.is_char_boundary(at) {
                at += 1;
            }
            text.drain(..at);
            *before += at as u64;
        }
    };
    if let Some(said) = &mut report.said {
        cut(&mut said.out, &mut said.out_cut);
        cut(&mut said.err, &mut said.err_cut);
    }
    cut(&mut report.output, &mut 0);
    json::to_json(&report).unwrap_or_default()
}

fn output(told: &str) -> String {
    let read: Option<Value> = serde_json::from_str(told).ok();
    match read {
        Some(output) => json!({ "output": output }).to_string(),
        None => String::new(),
    }
}

fn why(error: &Error) -> String {
    json!({ "error": OrderError::of(error) }).to_string()
}

fn unknown(what: &str) -> String {
    why(&Error::OutcomeUnknown(format!(
        "{what}: whether it was done is not known. Look at the status and the events, and give it again with another id if it was not"
    )))
}

/// Stores how an order ended, as soon as the disk lets it.
async fn conclude(host: &Host, given: &Given, ending: Ending, result: &str) {
    if ending == Ending::Unknown {
        // Not the whole order: it may have a value that not everybody may read.
        let order: Value = serde_json::from_str(&given.request).unwrap_or_default();
        tracing::warn!(
            message_id = NOT_KNOWN,
            cpe_deployment = given.deployment,
            "{}: nobody knows whether order {} of {} was done: {}",
            given.deployment,
            given.id,
            given.principal,
            order["operation"]
        );
    }
    loop {
        let key = given.key();
        let ended = host.core.store.end_order(&key, ending, result);
        if stored(ended).await.is_ok() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// What is kept of the end of an order.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Kept {
    output: Option<Value>,
    error: Option<OrderError>,
}

fn report(given: &Given) -> Result<String> {
    let kept: Kept = match given.result.as_str() {
        "" => Kept::default(),
        text => json::from_json(text)?,
    };
    json::to_json(&OrderReport {
        id: given.id.clone(),
        deployment: given.deployment.clone(),
        order: json::from_json(&given.request)?,
        state: match given.ending {
            None => OrderState::Running,
            Some(Ending::Done) => OrderState::Done,
            Some(Ending::Failed | Ending::NotNow) => OrderState::Failed,
            Some(Ending::Unknown) => OrderState::Unknown,
        },
        begun: given.begun,
        ended: given.ended,
        cursor: given.cursor,
        output: kept.output,
        error: kept.error,
        may_repeat: given.ending == Some(Ending::NotNow),
    })
}

/// What was under way when the daemon, or its last connection, ended.
pub(crate) struct Left(Vec<(Given, Place)>);

/// Finds it. Nobody can give orders yet: [`super::publish`] takes what is found here, so that an
/// order that somebody gives is never taken for one that was left.
///
/// # Errors
/// If the disk does not let it.
pub(crate) async fn left(host: &Host) -> anyhow::Result<Left> {
    let store = &host.core.store;
    let given = store.orders_under_way().await?;
    let left = given.into_iter().map(|given| {
        let place = host.orders.keep(&given.principal, &given.id);
        (given, place)
    });
    Ok(Left(left.collect()))
}

/// Goes on with what was under way.
pub(crate) fn carry_on(host: &Arc<Host>, Left(left): Left) {
    for (given, place) in left {
        let host_of_it = Arc::clone(host);
        host.spawn(async move {
            let _place = place;
            let (ending, result) = go_on(&host_of_it, &given).await;
            conclude(&host_of_it, &given, ending, &result).await;
        });
    }
}

async fn go_on(host: &Host, given: &Given) -> (Ending, String) {
    let read = Ordered::read(&given.request).and_then(Command::of);
    let Ok(command) = read else {
        return (
            Ending::Unknown,
            unknown("this version of cpe does not know the order"),
        );
    };
    let deployment = host.core.registry.get(&given.deployment);
    // An order of one that has ended is forgotten with it.
    let Some(deployment) = deployment.filter(|now| now.row().uuid == given.uuid) else {
        return (Ending::Unknown, unknown(GONE));
    };
    if command.is_harmless() {
        // Who has given it had the right to then.
        return do_it(host, &deployment, given, &command, (None, true)).await;
    }
    let begun = serde_json::from_str::<Kept>(&given.result);
    match begun.ok().and_then(|kept| kept.output) {
        Some(report) => follow(host, &deployment, given, report.to_string()).await,
        None => (
            Ending::Unknown,
            unknown("cpe was restarted while it was under way"),
        ),
    }
}
