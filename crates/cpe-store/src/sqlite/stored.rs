//! The store's calls, each on a thread for what blocks.

use std::fs::File;
use std::pin::Pin;
use std::time::Duration;

use cpe_bus::Event;
use cpe_status::{DeploymentState, StoreStatus};
use tokio::sync::{broadcast, watch};

use super::handle::Sqlite;
use crate::store::{Answer, Store};
use crate::words::{
    Created, Destroying, Details, Document, Ending, Filter, Generation, Given, Keep, KeptAside,
    Marked, News, OrderKey, Ownership, Page, Row, Run, Taken, Updated,
};

impl Store for Sqlite {
    fn deployments(&self) -> Answer<'_, Vec<Row>> {
        Box::pin(self.run(|database| database.deployments()))
    }

    fn deployment<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Row>> {
        let name = name.to_owned();
        Box::pin(self.run(move |database| database.deployment(&name)))
    }

    fn create<'a>(
        &'a self,
        name: &'a str,
        uuid: &'a str,
        document: Document,
        limit: usize,
        by: &'a Details,
    ) -> Answer<'a, Created> {
        let (name, uuid, by) = (name.to_owned(), uuid.to_owned(), by.clone());
        let work = self.run(move |database| database.create(&name, &uuid, &document, limit, &by));
        Box::pin(work)
    }

    fn update<'a>(
        &'a self,
        name: &'a str,
        uuid: Option<&'a str>,
        expected: u64,
        document: Document,
        keep: Keep,
        by: &'a Details,
    ) -> Answer<'a, Updated> {
        let (name, uuid, by) = (name.to_owned(), uuid.map(str::to_owned), by.clone());
        Box::pin(self.run(move |database| {
            database.update(&name, uuid.as_deref(), expected, &document, keep, &by)
        }))
    }

    fn renumber<'a>(&'a self, name: &'a str, above: u64, keep: Keep) -> Answer<'a, Option<Row>> {
        let name = name.to_owned();
        Box::pin(self.run(move |database| database.renumber(&name, above, keep)))
    }

    fn adopt<'a>(
        &'a self,
        name: &'a str,
        uuid: &'a str,
        generation: u64,
        document: Document,
    ) -> Answer<'a, Option<Row>> {
        let (name, uuid) = (name.to_owned(), uuid.to_owned());
        Box::pin(self.run(move |database| database.adopt(&name, &uuid, generation, &document)))
    }

    fn take_over<'a>(
        &'a self,
        name: &'a str,
        uuid: &'a str,
        generation: u64,
        document: Document,
        keep: Keep,
    ) -> Answer<'a, Option<Row>> {
        let (name, uuid) = (name.to_owned(), uuid.to_owned());
        Box::pin(
            self.run(move |database| database.take_over(&name, &uuid, generation, &document, keep)),
        )
    }

    fn destroy<'a>(&'a self, name: &'a str, expected: u64, how: Destroying) -> Answer<'a, Marked> {
        let name = name.to_owned();
        Box::pin(self.run(move |database| database.destroy(&name, expected, how)))
    }

    fn set_owner<'a>(&'a self, name: &'a str, owned: &'a Ownership) -> Answer<'a, Option<Row>> {
        let (name, owned) = (name.to_owned(), owned.clone());
        Box::pin(self.run(move |database| database.set_owner(&name, &owned)))
    }

    fn unloaded<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Row>> {
        let name = name.to_owned();
        Box::pin(self.run(move |database| database.unloaded(&name)))
    }

    fn loaded<'a>(&'a self, name: &'a str, generation: u64) -> Answer<'a, ()> {
        let name = name.to_owned();
        Box::pin(self.run(move |database| database.loaded(&name, generation)))
    }

    fn forget<'a>(&'a self, name: &'a str, addresses: &'a [String]) -> Answer<'a, bool> {
        let (name, addresses) = (name.to_owned(), addresses.to_owned());
        Box::pin(self.run(move |database| database.forget(&name, &addresses)))
    }

    fn left_behind<'a>(&'a self, addresses: &'a [String]) -> Answer<'a, Vec<String>> {
        let addresses = addresses.to_owned();
        Box::pin(self.run(move |database| database.left_behind(&addresses)))
    }

    fn note_run<'a>(&'a self, name: &'a str, run: &'a Run, time: u64) -> Answer<'a, ()> {
        let (name, run) = (name.to_owned(), run.clone());
        Box::pin(self.run(move |database| database.note_run(&name, &run, time)))
    }

    fn note_state<'a>(&'a self, _name: &'a str, _state: DeploymentState) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn document<'a>(&'a self, name: &'a str, generation: u64) -> Answer<'a, Option<(String, u64)>> {
        let name = name.to_owned();
        Box::pin(self.run(move |database| database.document(&name, generation)))
    }

    fn document_and_claims<'a>(
        &'a self,
        name: &'a str,
    ) -> Answer<'a, Option<(Option<String>, u64, String)>> {
        let name = name.to_owned();
        Box::pin(self.run(move |database| database.document_and_claims(&name)))
    }

    fn generations<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Generation>> {
        let name = name.to_owned();
        Box::pin(self.run(move |database| database.generations(&name)))
    }

    fn record(&self, event: Event) -> Answer<'_, u64> {
        Box::pin(self.run(move |database| database.record(event)))
    }

    fn query(&self, after: u64, limit: u32, filter: Filter) -> Answer<'_, Page> {
        Box::pin(self.page(after, limit, filter))
    }

    fn prune(&self, keep_for: Duration, keep_count: u64) -> Answer<'_, usize> {
        Box::pin(self.run(move |database| {
            database.prune_orders()?;
            database.cut_log_again();
            database.prune_events(keep_for, keep_count)
        }))
    }

    fn take_order(&self, wanted: Given) -> Answer<'_, Taken> {
        Box::pin(self.run(move |database| database.take_order(wanted)))
    }

    fn known_order(&self, wanted: Given) -> Answer<'_, Taken> {
        Box::pin(self.run(move |database| database.known_order(wanted)))
    }

    fn note_order<'a>(&'a self, order: &'a OrderKey, result: &'a str) -> Answer<'a, ()> {
        let (order, result) = (order.clone(), result.to_owned());
        Box::pin(self.run(move |database| database.note_order(&order, &result)))
    }

    fn end_order<'a>(
        &'a self,
        order: &'a OrderKey,
        ending: Ending,
        result: &'a str,
    ) -> Answer<'a, ()> {
        let (order, result) = (order.clone(), result.to_owned());
        Box::pin(self.run(move |database| database.end_order(&order, ending, &result)))
    }

    fn taken_order<'a>(&'a self, order: &'a OrderKey) -> Answer<'a, Option<Given>> {
        let order = order.clone();
        Box::pin(self.run(move |database| database.taken_order(&order)))
    }

    fn order<'a>(&'a self, principal: &'a str, id: &'a str) -> Answer<'a, Option<Given>> {
        let [principal, id] = [principal, id].map(str::to_owned);
        Box::pin(self.run(move |database| database.order(&principal, &id)))
    }

    fn orders_under_way(&self) -> Answer<'_, Vec<Given>> {
        Box::pin(self.run(|database| database.orders_under_way()))
    }

    fn status(&self) -> Answer<'_, StoreStatus> {
        Box::pin(async move { Ok(self.condition().await) })
    }

    fn back_up(&self, to: File) -> Answer<'_, u64> {
        Box::pin(self.copy_to(to))
    }

    fn log(&self) -> &str {
        self.log_id()
    }

    fn head(&self) -> watch::Receiver<u64> {
        self.newest()
    }

    fn news(&self) -> broadcast::Receiver<News> {
        self.told()
    }

    fn lost(&self) -> Pin<Box<dyn Future<Output = KeptAside> + Send + '_>> {
        Box::pin(self.is_lost())
    }
}
