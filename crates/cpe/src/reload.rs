//! Takes up `access.toml` again when it changes, or on SIGHUP. A file that is wrong changes
//! nothing: the last good one counts, and the event log says so.

use std::sync::Arc;
use std::time::Duration;

use cpe_bus::{Event, EventKind};
use cpe_store::new_event as event;
use tokio::signal::unix::{SignalKind, signal};

use crate::access::{self, Seen};
use crate::core::Core;
use crate::rights::{Policy, Source};

/// Time between two looks at the file.
const PERIOD: Duration = Duration::from_secs(2);

/// Watches until the process ends.
pub(crate) async fn run(core: Arc<Core>) {
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => {
            tracing::error!("access.toml is not watched: {error}");
            return;
        }
    };
    if let Some(reason) = &core.access_refused {
        tell(&core, refused(&core, reason)).await;
    }
    let mut taken = core.access_seen.clone();
    let mut before = taken.clone();
    loop {
        let asked = tokio::select! {
            () = tokio::time::sleep(PERIOD) => false,
            _ = hangups.recv() => true,
        };
        let now = seen(&core).await;
        // Seen twice: an editor that saves takes the file away for a moment, and what is half
        // written is wrong.
        if asked || (now != taken && now == before) {
            take_up(&core).await;
            taken = now.clone();
        }
        before = now;
    }
}

async fn seen(core: &Core) -> Seen {
    let path = core.config.access.file.clone();
    let looked = tokio::task::spawn_blocking(move || access::look(&path));
    looked
        .await
        .unwrap_or_else(|error| Seen::Unknown(error.to_string()))
}

async fn take_up(core: &Core) {
    let access = core.config.access.clone();
    let read = tokio::task::spawn_blocking(move || access::read(&access)).await;
    let news = match read.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(policy) if policy == *core.policy() => return,
        Ok(policy) => {
            let news = changed(core, &policy);
            core.rights.send_replace(Arc::new(policy));
            news
        }
        Err(reason) => refused(core, &reason),
    };
    tell(core, news).await;
}

fn changed(core: &Core, policy: &Policy) -> Event {
    let file = core.config.access.file.display();
    let reason = match policy.source {
        Source::File => format!("{file} is in force, with {} grants", policy.grants.len()),
        Source::Absent | Source::Refused => {
            format!(
                "{file} is gone: root and members of group {} have all rights, all others look",
                policy.group
            )
        }
    };
    Event {
        state: "in force".into(),
        reason,
        ..event(EventKind::AccessChanged, "")
    }
}

fn refused(core: &Core, reason: &str) -> Event {
    let policy = core.policy();
    let what = match policy.source {
        Source::Refused => "only root has rights until it is right",
        Source::File | Source::Absent => "the rights from before stay",
    };
    Event {
        state: "refused".into(),
        reason: format!("{reason}; {what}"),
        ..event(EventKind::AccessRefused, "")
    }
    .within_limits()
}

/// To the event log, and so to the journal; if the disk is full, to the journal alone.
async fn tell(core: &Core, news: Event) {
    let line = format!("{}: {}", news.kind, news.reason);
    let recorded = core.store.record(news).await;
    if let Err(error) = recorded {
        tracing::error!("{line} (not in the event log: {error})");
    }
}
