//! The trait.

use std::fs::File;
use std::pin::Pin;
use std::time::Duration;

use cpe_bus::Event;
use cpe_status::{DeploymentState, StoreStatus};
use tokio::sync::{broadcast, watch};

use crate::error::Result;
use crate::words::{
    Created, Destroying, Details, Document, Ending, Filter, Generation, Given, Keep, KeptAside,
    Marked, News, OrderKey, Ownership, Page, Row, Run, Taken, Updated,
};

/// What a call of a store gives, once it is waited for.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// What keeps everything. What a call has acknowledged is durable, and every later call sees it,
/// at whichever host that shares the store; but [`Store::query`] may see it later where events are
/// copied from other hosts.
///
/// What was begun is finished also if the caller goes away.
pub trait Store: Send + Sync {
    /// All deployments, by name.
    fn deployments(&self) -> Answer<'_, Vec<Row>>;

    /// One deployment.
    fn deployment<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Row>>;

    /// At most `limit` deployments are kept. `by` says who asked.
    fn create<'a>(
        &'a self,
        name: &'a str,
        uuid: &'a str,
        document: Document,
        limit: usize,
        by: &'a Details,
    ) -> Answer<'a, Created>;

    /// `uuid` is the document's, if it says one. `expected` 0 means whichever generation is
    /// current. Older documents are dropped beyond `keep`.
    fn update<'a>(
        &'a self,
        name: &'a str,
        uuid: Option<&'a str>,
        expected: u64,
        document: Document,
        keep: Keep,
        by: &'a Details,
    ) -> Answer<'a, Updated>;

    /// A DPE holds a newer generation than the one that an administrator stored last: the database
    /// was lost or replaced by a backup before that. The stored document is the latest word: it
    /// becomes the generation after the DPE's.
    fn renumber<'a>(&'a self, name: &'a str, above: u64, keep: Keep) -> Answer<'a, Option<Row>>;

    /// Takes over a deployment that a running DPE holds and the store has lost. Gives `None` if the
    /// name is known.
    fn adopt<'a>(
        &'a self,
        name: &'a str,
        uuid: &'a str,
        generation: u64,
        document: Document,
    ) -> Answer<'a, Option<Row>>;

    /// Takes over the document of a DPE that has a newer generation than the store, which was
    /// replaced by a backup: what runs now is in force. `None` if the name is unknown.
    fn take_over<'a>(
        &'a self,
        name: &'a str,
        uuid: &'a str,
        generation: u64,
        document: Document,
        keep: Keep,
    ) -> Answer<'a, Option<Row>>;

    /// Marks a deployment as to be destroyed, if it is at the expected generation (0: at any).
    /// Asked again, the later answer counts while its DPE has not finished: that is how an
    /// administrator gives up waiting for services that cannot be stopped. Who asks to stop after
    /// all may come too late, which is remembered: then services may still run.
    fn destroy<'a>(&'a self, name: &'a str, expected: u64, how: Destroying) -> Answer<'a, Marked>;

    /// Gives a deployment to somebody.
    fn set_owner<'a>(&'a self, name: &'a str, owned: &'a Ownership) -> Answer<'a, Option<Row>>;

    /// The DPE has finished unloading (or is given up).
    fn unloaded<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Row>>;

    /// The DPE has taken this generation.
    fn loaded<'a>(&'a self, name: &'a str, generation: u64) -> Answer<'a, ()>;

    /// The end of a destroyed deployment: its documents are deleted, the event says so. False if it
    /// was gone already. `addresses` are those of its guests.
    fn forget<'a>(&'a self, name: &'a str, addresses: &'a [String]) -> Answer<'a, bool>;

    /// Which of these addresses are of guests in which a destroyed deployment has left its services
    /// running.
    fn left_behind<'a>(&'a self, addresses: &'a [String]) -> Answer<'a, Vec<String>>;

    /// Tells the event log how the DPE is doing: started, stopped or died, restarted, each run and
    /// each end exactly once, also those that happened while no CPE was there to see them. `time`
    /// is when it was seen, in microseconds since the Unix epoch.
    fn note_run<'a>(&'a self, name: &'a str, run: &'a Run, time: u64) -> Answer<'a, ()>;

    /// Tells other hosts the state of a deployment that this one runs. A store of one host does not
    /// keep it.
    fn note_state<'a>(&'a self, name: &'a str, state: DeploymentState) -> Answer<'a, ()>;

    /// The document of a generation (0: the current one) and which generation that is.
    fn document<'a>(&'a self, name: &'a str, generation: u64) -> Answer<'a, Option<(String, u64)>>;

    /// The current document, if it is there and is text, its generation, and what it claims, which
    /// is empty if that is not known. `None` if there is no such deployment.
    fn document_and_claims<'a>(
        &'a self,
        name: &'a str,
    ) -> Answer<'a, Option<(Option<String>, u64, String)>>;

    /// The generations that are kept, oldest first.
    fn generations<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Generation>>;

    /// Records an event of another program. The same id again is the same event: its cursor is
    /// given, nothing is written.
    fn record(&self, event: Event) -> Answer<'_, u64>;

    /// At most `limit` events after the cursor, oldest first. Waits for no change.
    fn query(&self, after: u64, limit: u32, filter: Filter) -> Answer<'_, Page>;

    /// Drops what is older than it is kept: orders, and events recorded longer than `keep_for` ago,
    /// and above `keep_count` the oldest of the deployment that has most, so that one noisy
    /// deployment does not drive out what the others have to tell. A bounded number of events at a
    /// time; gives how many.
    fn prune(&self, keep_for: Duration, keep_count: u64) -> Answer<'_, usize>;

    /// Takes an order.
    fn take_order(&self, wanted: Given) -> Answer<'_, Taken>;

    /// What [`Store::take_order`] would say, without taking it.
    fn known_order(&self, wanted: Given) -> Answer<'_, Taken>;

    /// Notes what an order that is being done has come to.
    fn note_order<'a>(&'a self, order: &'a OrderKey, result: &'a str) -> Answer<'a, ()>;

    /// Says how an order ended.
    fn end_order<'a>(
        &'a self,
        order: &'a OrderKey,
        ending: Ending,
        result: &'a str,
    ) -> Answer<'a, ()>;

    /// An order that was taken, if it is still known.
    fn taken_order<'a>(&'a self, order: &'a OrderKey) -> Answer<'a, Option<Given>>;

    /// An order of somebody.
    fn order<'a>(&'a self, principal: &'a str, id: &'a str) -> Answer<'a, Option<Given>>;

    /// Those that this host is doing, oldest first.
    fn orders_under_way(&self) -> Answer<'_, Vec<Given>>;

    /// How the store is, for people. That it does not answer is a part of that, and no error.
    fn status(&self) -> Answer<'_, StoreStatus>;

    /// Writes a copy of everything, as it is at one moment, to an empty file, and gives its bytes.
    /// Changes go on meanwhile. A store that several hosts share refuses: it is not this host's.
    fn back_up(&self, to: File) -> Answer<'_, u64>;

    /// Which log the cursors belong to. Those of another one mean nothing here.
    fn log(&self) -> &str;

    /// Changes whenever events were recorded; holds the newest cursor that queries find.
    fn head(&self) -> watch::Receiver<u64>;

    /// What other hosts change, from now on. Who cannot keep up reads everything.
    fn news(&self) -> broadcast::Receiver<News>;

    /// Returns when what is on this host's disk turned out to be damaged, and was renamed. Nothing
    /// can be stored any more then.
    fn lost(&self) -> Pin<Box<dyn Future<Output = KeptAside> + Send + '_>>;
}
