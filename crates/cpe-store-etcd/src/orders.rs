//! Orders with an id.

use std::time::Duration;

use cluster_keys as keys;
use cpe_bus::orders::OrderError;
use cpe_daemon::now;
use cpe_etcd::{Compare, Entry, Operation, Txn};
use cpe_store::orders::{LIFE, MOST, MOST_EACH};
use cpe_store::{Ending, Error, Given, OrderKey, Result, Taken, look_for};
use tokio::time::sleep;

use crate::calls::Calls;
use crate::cursor::cursor;
use crate::log::Log;
use crate::records::{OrderText, RowText, bytes, read};

/// How often somebody looks again who finds that somebody else was faster.
const ATTEMPTS: usize = 100;
/// Keys that one transaction deletes.
const AT_ONCE: usize = 60;
/// Pause before an order that nobody carries out is looked for again.
const AGAIN: Duration = Duration::from_secs(1);
/// As it is written: [`Ending::NotNow`].
const NOT_NOW: u8 = 3;

/// All of them.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    pub(crate) calls: Calls,
    pub(crate) log: Log,
    /// This host: it carries out what it takes.
    pub(crate) host: String,
}

fn text(entry: &Entry) -> Result<OrderText> {
    read(&entry.key, &entry.value)
}

/// As others write why an order was not done.
fn not_taken() -> String {
    let text = "the shared store did not answer when it was given; nothing was done: give it again";
    let error = OrderError::of(&cpe_bus::Error::NotReady(text.to_owned()));
    serde_json::json!({ "error": error }).to_string()
}

fn busy() -> Error {
    Error::Unavailable("others use the same order all the time: try again".to_owned())
}

impl Orders {
    async fn find(&self, principal: &str, id: &str) -> Result<Option<(OrderText, u64)>> {
        let found = self.calls.get(&keys::order(principal, id)).await?;
        let Some(entry) = found else {
            return Ok(None);
        };
        Ok(Some((text(&entry)?, entry.revision)))
    }

    pub(crate) async fn one(&self, principal: &str, id: &str) -> Result<Option<Given>> {
        let found = self.find(principal, id).await?;
        Ok(found.map(|(order, _)| order.given()))
    }

    /// What taking it would come to; `makes_room`: and room is made for it.
    pub(crate) async fn look(&self, wanted: Given, makes_room: bool) -> Result<Taken> {
        let found = self.find(&wanted.principal, &wanted.id).await?;
        self.judge(wanted, found.as_ref(), makes_room).await
    }

    async fn judge(
        &self,
        wanted: Given,
        found: Option<&(OrderText, u64)>,
        makes_room: bool,
    ) -> Result<Taken> {
        if found.is_none()
            && let Some(count) = self.too_many(&wanted.principal, makes_room).await?
        {
            return Ok(Taken::TooMany(count));
        }
        Ok(look_for(
            found.map(|(order, _)| order.clone().given()),
            wanted,
        ))
    }

    pub(crate) async fn take(&self, wanted: Given) -> Result<Taken> {
        let wanted = Given {
            begun: now(),
            ..wanted
        };
        let mut order = OrderText::new(&wanted, &self.host);
        let key = keys::order(&order.principal, &order.id);
        let index = keys::order_of(&order.deployment, &order.principal, &order.id);
        for _ in 0..ATTEMPTS {
            let Some(row) = self.row_of(&wanted).await? else {
                return Ok(Taken::Gone);
            };
            let found = self.find(&order.principal, &order.id).await?;
            // An attempt of this call that was not answered.
            if let Some((it, _)) = &found
                && it.token == order.token
            {
                return Ok(Taken::New(it.clone().given()));
            }
            match self.judge(wanted.clone(), found.as_ref(), true).await? {
                Taken::New(_) => {}
                known => return Ok(known),
            }
            order.cursor = self.before(row);
            let txn = Txn {
                compare: vec![
                    Compare::Revision(keys::row(&order.deployment), row),
                    match &found {
                        Some((_, revision)) => Compare::Revision(key.clone(), *revision),
                        None => Compare::Absent(key.clone()),
                    },
                ],
                then: vec![
                    Operation::Put(key.clone(), bytes(&order), None),
                    Operation::Put(index.clone(), Vec::new(), None),
                ],
                otherwise: Vec::new(),
            };
            match self.calls.decide(txn).await {
                Ok(decided) if decided.reply.succeeded => return Ok(Taken::New(order.given())),
                Ok(_) => {}
                Err(error @ Error::Unknown(_)) => {
                    tokio::spawn(self.clone().give_back(order));
                    return Err(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(busy())
    }

    /// Whether an order was taken, or will be, is not known, and who has given it was told so:
    /// nobody carries it out. So it is written that nothing was done, as soon as the store answers.
    pub(crate) async fn give_back(self, order: OrderText) {
        let id = order.id.clone();
        while let Err(error) = self.try_to_give_back(&order).await {
            tracing::warn!("order {id} is under way by mistake: {error}");
            if matches!(error, Error::Refused(_)) {
                return;
            }
            sleep(AGAIN).await;
        }
    }

    async fn try_to_give_back(&self, order: &OrderText) -> Result<()> {
        let key = keys::order(&order.principal, &order.id);
        let index = keys::order_of(&order.deployment, &order.principal, &order.id);
        for _ in 0..ATTEMPTS {
            // What an attempt that is still under way compares.
            let Some(row) = self.row_of(&order.clone().given()).await? else {
                return Ok(());
            };
            let found = self.find(&order.principal, &order.id).await?;
            let (as_found, mut now) = match found {
                Some((now, revision)) => (Compare::Revision(key.clone(), revision), now),
                None => (Compare::Absent(key.clone()), order.clone()),
            };
            // Another one of that id is written as it is: that the key is not as it was is enough.
            if now.token == order.token && now.state == 0 {
                now.end(Ending::NotNow, &not_taken());
            }
            let txn = Txn {
                compare: vec![
                    Compare::Revision(keys::row(&order.deployment), row),
                    as_found,
                ],
                then: vec![
                    Operation::Put(key.clone(), bytes(&now), None),
                    Operation::Put(index.clone(), Vec::new(), None),
                ],
                otherwise: Vec::new(),
            };
            if self.calls.decide(txn).await?.reply.succeeded {
                return Ok(());
            }
        }
        Err(busy())
    }

    /// The revision of the row of the deployment that an order is for; `None`: it is gone, or it is
    /// another one of that name.
    async fn row_of(&self, wanted: &Given) -> Result<Option<u64>> {
        let Some(entry) = self.calls.get(&keys::row(&wanted.deployment)).await? else {
            return Ok(None);
        };
        let row: RowText = read(&entry.key, &entry.value)?;
        Ok((row.uuid == wanted.uuid).then_some(entry.revision))
    }

    /// The newest event before an order that is taken with the deployment's row of this revision.
    /// What this host's copy of the log ends with may be older than the deployment.
    fn before(&self, row: u64) -> u64 {
        let last = cursor(self.log.incarnation, row, usize::MAX);
        self.log.head().max(last)
    }

    /// How many are kept, if there is no room for another of that principal. Those that were not
    /// begun may be given again in any case: they make room.
    async fn too_many(&self, principal: &str, makes_room: bool) -> Result<Option<u64>> {
        let prefix = keys::orders(principal);
        let own = self.calls.count(&prefix).await?;
        if own >= MOST_EACH {
            let all = self.calls.list(&prefix).await?.entries;
            let all: Vec<_> = all
                .iter()
                .filter_map(|it| Some((it, text(it).ok()?)))
                .collect();
            let not_begun = all.iter().filter(|(_, order)| order.state == NOT_NOW);
            match not_begun.min_by_key(|(_, order)| order.begun) {
                Some((entry, order)) if makes_room => self.delete(&[(entry, order)]).await?,
                Some(_) => {}
                None => return Ok(Some(own)),
            }
        }
        let all = self.calls.count(keys::ORDER).await?;
        Ok((all >= MOST).then_some(all))
    }

    /// Changes one that is being done. Done twice, it is as if done once.
    async fn edit(&self, given: &OrderKey, edit: impl Fn(&mut OrderText)) -> Result<()> {
        let OrderKey { principal, id, .. } = given;
        for _ in 0..ATTEMPTS {
            let Some((mut order, revision)) = self.find(principal, id).await? else {
                return Ok(());
            };
            if order.state != 0 || !order.is(given) {
                return Ok(());
            }
            edit(&mut order);
            let key = keys::order(principal, id);
            let txn = Txn {
                compare: vec![Compare::Revision(key.clone(), revision)],
                then: vec![Operation::Put(key, bytes(&order), None)],
                otherwise: Vec::new(),
            };
            if self.calls.decide(txn).await?.reply.succeeded {
                return Ok(());
            }
        }
        Err(busy())
    }

    pub(crate) async fn note(&self, given: &OrderKey, result: &str) -> Result<()> {
        let note = |order: &mut OrderText| result.clone_into(&mut order.result);
        self.edit(given, note).await
    }

    pub(crate) async fn end(&self, given: &OrderKey, ending: Ending, result: &str) -> Result<()> {
        let end = |order: &mut OrderText| order.end(ending, result);
        self.edit(given, end).await
    }

    pub(crate) async fn taken(&self, given: &OrderKey) -> Result<Option<Given>> {
        let found = self.one(&given.principal, &given.id).await?;
        Ok(found.filter(|found| given.is_of(found)))
    }

    /// Those that this host is doing, oldest first.
    pub(crate) async fn under_way(&self) -> Result<Vec<Given>> {
        let mut found = Vec::new();
        for entry in self.calls.list(keys::ORDER).await?.entries {
            let order = text(&entry)?;
            if order.state == 0 && order.host == self.host {
                found.push(order.given());
            }
        }
        found.sort_by_key(|given| given.begun);
        Ok(found)
    }

    /// Forgets those that were given before that, µs since the Unix epoch, and have ended. One that
    /// was given in what is the future now, by a clock that was set back since, is kept for a week
    /// from now.
    pub(crate) async fn prune(&self, before: u64) -> Result<()> {
        let now = before.saturating_add(LIFE);
        let all = self.calls.list(keys::ORDER).await?.entries;
        let all: Vec<_> = all
            .iter()
            .filter_map(|it| Some((it, text(it).ok()?)))
            .collect();
        for (entry, order) in all.iter().filter(|(_, order)| order.begun > now) {
            let order = OrderText {
                begun: now,
                ..order.clone()
            };
            let txn = Txn {
                compare: vec![Compare::Revision(entry.key.clone(), entry.revision)],
                then: vec![Operation::Put(entry.key.clone(), bytes(&order), None)],
                otherwise: Vec::new(),
            };
            self.calls.decide(txn).await?;
        }
        let old = all
            .iter()
            .filter(|(_, it)| it.begun < before && it.state != 0);
        let old: Vec<_> = old.map(|(entry, order)| (*entry, order)).collect();
        for some in old.chunks(AT_ONCE) {
            self.delete(some).await?;
        }
        Ok(())
    }

    /// Deletes these, if they are what they were.
    async fn delete(&self, all: &[(&Entry, &OrderText)]) -> Result<()> {
        let as_read = |(entry, _): &(&Entry, &OrderText)| {
            Compare::Revision(entry.key.clone(), entry.revision)
        };
        let keys = all.iter().flat_map(|(entry, order)| {
            let index = keys::order_of(&order.deployment, &order.principal, &order.id);
            [
                Operation::Delete(entry.key.clone()),
                Operation::Delete(index),
            ]
        });
        let txn = Txn {
            compare: all.iter().map(as_read).collect(),
            then: keys.collect(),
            otherwise: Vec::new(),
        };
        self.calls.decide(txn).await.map(drop)
    }
}
