//! The signals of the bus, of systemd and of the DPEs. A signal only says where to look: it wakes
//! the supervisor concerned, which looks at how things are. Only results of jobs are taken at their
//! word.
//!
//! A match rule is no guard: a signal that is addressed to us passes all of them, whatever sender
//! they name. So it is looked at here who has sent it; for signals of the bus itself, the
//! connection does that.

use std::num::NonZeroUsize;
use std::sync::Arc;

use cpe_bus::names::{DPE_INTERFACE, DPE_PATH, deployment_of_unit, unescape_label};
use futures_util::StreamExt;
use zbus::message::Message;
use zbus::{MessageStream, OwnedObjectPath};

use crate::host::Host;
use crate::systemd::{self, JobResult};

/// Signals of one kind that may wait to be looked at before the connection stops reading: some for
/// each of a thousand deployments that start or end together.
const SIGNAL_QUEUE: NonZeroUsize = NonZeroUsize::new(4096).expect("invariant: 4096 is not 0");

/// Listens until the connection ends.
pub(crate) async fn listen(host: &Arc<Host>) -> zbus::Result<()> {
    dpe_names(host).await?;
    dpe_statuses(host).await?;
    systemd_restarts(host).await?;
    host.systemd.find_owner(&host.bus).await?;
    unit_changes(host).await?;
    job_results(host).await
}

/// A DPE appears on the bus, or leaves it.
async fn dpe_names(host: &Arc<Host>) -> zbus::Result<()> {
    let rule = format!(
        "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',\
         member='NameOwnerChanged',arg0namespace='{DPE_INTERFACE}'"
    );
    on(host, &rule, |host, message| {
        let (name, old, _): (String, String, String) = message.body().deserialize()?;
        if let Some(deployment) = host.dpes.owner_changed(&name, &old) {
            host.wake(&deployment);
        }
        Ok(())
    })
    .await
}

/// A DPE's state changes.
async fn dpe_statuses(host: &Arc<Host>) -> zbus::Result<()> {
    let rule = format!(
        "type='signal',interface='{DPE_INTERFACE}',member='StatusChanged',path='{DPE_PATH}'"
    );
    on(host, &rule, |host, message| {
        let header = message.header();
        let sender = header.sender();
        if let Some(deployment) = sender.and_then(|name| host.dpes.deployment_of(name)) {
            host.wake(&deployment);
        }
        Ok(())
    })
    .await
}

/// The unit of a DPE starts, runs or ends.
async fn unit_changes(host: &Arc<Host>) -> zbus::Result<()> {
    let rule = format!(
        "type='signal',sender='{}',interface='org.freedesktop.DBus.Properties',\
         member='PropertiesChanged',path_namespace='{}'",
        systemd::NAME,
        systemd::UNITS_PATH
    );
    on(host, &rule, |host, message| {
        if !host.systemd.has_sent(message) {
            return Ok(());
        }
        let header = message.header();
        let label = header
            .path()
            .and_then(|path| path.strip_prefix(systemd::UNITS_PATH)?.strip_prefix('/'));
        if let Some(unit) = label.and_then(unescape_label)
            && let Some(deployment) = deployment_of_unit(&unit)
        {
            host.wake(deployment);
        }
        Ok(())
    })
    .await
}

/// A job of systemd ends.
async fn job_results(host: &Arc<Host>) -> zbus::Result<()> {
    let rule = format!(
        "type='signal',sender='{}',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'",
        systemd::NAME
    );
    on(host, &rule, |host, message| {
        if !host.systemd.has_sent(message) {
            return Ok(());
        }
        let (_, job, _, result): (u32, OwnedObjectPath, String, String) =
            message.body().deserialize()?;
        let result = JobResult::from_word(&result);
        host.systemd.job_removed(job.as_str(), result);
        Ok(())
    })
    .await
}

/// systemd was re-executed: it may have dropped our subscription, and we may have missed JobRemoved
/// signals.
async fn systemd_restarts(host: &Arc<Host>) -> zbus::Result<()> {
    let rule = format!(
        "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',\
         member='NameOwnerChanged',arg0='{}'",
        systemd::NAME
    );
    on(host, &rule, |host, message| {
        let (_, _, new): (String, String, String) = message.body().deserialize()?;
        // What the new one sends from here on counts; what was missed before is looked at below.
        host.systemd.owner_changed(&new);
        if !new.is_empty() {
            let again = Arc::clone(host);
            host.spawn(async move {
                if let Err(error) = again.systemd.subscribe().await {
                    tracing::warn!("cannot subscribe to systemd: {error}");
                }
                again.systemd.forget_jobs();
                for deployment in again.core.registry.all() {
                    deployment.wake();
                }
            });
        }
        Ok(())
    })
    .await
}

/// Has `handle` look at every signal that fits the rule.
async fn on(
    host: &Arc<Host>,
    rule: &str,
    mut handle: impl FnMut(&Arc<Host>, &Message) -> zbus::Result<()> + Send + 'static,
) -> zbus::Result<()> {
    let mut stream =
        MessageStream::for_match_rule(rule, &host.connection, Some(SIGNAL_QUEUE)).await?;
    let listening = Arc::clone(host);
    host.spawn(async move {
        while let Some(message) = stream.next().await {
            if let Err(error) = message.and_then(|message| handle(&listening, &message)) {
                tracing::debug!("a signal could not be read: {error}");
            }
        }
    });
    Ok(())
}
