//! How the delivery of events stands: `cpe-notify` knows, and who may know it `cpe` decides. For
//! those who have no way to `cpe-notify`, which takes the group `cpe`: whom the gateway speaks for.

use std::time::Duration;

use cpe_bus::proxies::NotifyProxy;
use cpe_bus::{Error, Result};
use tokio::time::timeout;
use zbus::proxy::CacheProperties;

use super::link::Permit;

/// An answer that is not there by then is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// All sinks, as JSON.
pub(super) async fn list(permit: &Permit) -> Result<String> {
    let notify = notify(permit).await?;
    answered(notify.list()).await
}

/// Has a dead letter (empty: all of the sink) tried once more; how many are.
pub(super) async fn redeliver(permit: &Permit, sink: &str, id: &str) -> Result<u32> {
    let notify = notify(permit).await?;
    let count = changed(notify.redeliver(sink, id)).await?;
    let who = &permit.caller.who.principal;
    tracing::info!(
        sink,
        "sink {sink}: {who} wants {count} dead letters delivered again"
    );
    Ok(count)
}

async fn notify(permit: &Permit) -> Result<NotifyProxy<'static>> {
    let proxy = NotifyProxy::builder(&permit.host.connection)
        .cache_properties(CacheProperties::No)
        .build();
    Ok(proxy.await?)
}

/// The answer to a question.
async fn answered<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    match timeout(PATIENCE, call).await {
        Ok(Err(error)) if error.is_temporary() => Err(away(&error.message())),
        Ok(answer) => answer,
        Err(_) => Err(away("it does not answer")),
    }
}

/// The answer to a change. It was sent: if no answer says that it was not done, it may have been.
async fn changed<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    let open = || {
        Error::OutcomeUnknown(
            "cpe-notify was told, and has not answered: look at the dead letters before you try again"
                .into(),
        )
    };
    match timeout(PATIENCE, call).await {
        Ok(Err(error)) if error.leaves_it_open() => Err(open()),
        Ok(Err(error)) if error.is_temporary() => Err(away(&error.message())),
        Ok(answer) => answer,
        Err(_) => Err(open()),
    }
}

fn away(reason: &str) -> Error {
    Error::NotReady(format!(
        "cpe-notify is not there, which delivers events to sinks: it runs if /etc/cpe/sinks.d has a sink, after \
         `systemctl start cpe-notify` ({reason})"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standard(error: zbus::fdo::Error) -> Result<u32> {
        Err(Error::ZBus(zbus::Error::FDO(Box::new(error))))
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_sent_and_not_answered_may_have_been_done() {
        let ended = || async { standard(zbus::fdo::Error::NoReply("gone".into())) };
        for open in [
            changed(ended()).await,
            changed(std::future::pending::<Result<u32>>()).await,
        ] {
            assert!(matches!(open, Err(Error::OutcomeUnknown(_))), "{open:?}");
        }
        let absent = || async { standard(zbus::fdo::Error::ServiceUnknown("none".into())) };
        for away in [
            changed(absent()).await,
            answered(absent()).await,
            answered(ended()).await,
            answered(std::future::pending::<Result<u32>>()).await,
        ] {
            assert!(matches!(away, Err(Error::NotReady(_))), "{away:?}");
        }
    }
}
