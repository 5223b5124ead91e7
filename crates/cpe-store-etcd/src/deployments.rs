//! Deployments, and what changes their documents.

use cluster_keys as keys;
use cpe_etcd::{Compare, Operation, Txn};
use cpe_store::{
    CALLER_PRINCIPAL, Change, Created, Destroying, Details, Document, Error, Keep, Marked, Result,
    Row, Run, Updated, adopted, created, dropped, forgotten, renumbered, runs, taken_over, updated,
};

use crate::calls::Calls;
use crate::documents::{Upload, download, hash, upload};
use crate::log::Log;
use crate::records::{GenerationText, OwnerText, RecordText, RowText, bytes, change, read};

/// How often somebody looks again who finds that somebody else was faster.
const ATTEMPTS: usize = 100;
/// Former documents that one change drops: a transaction has 128 operations.
const DROPPED: usize = 40;
/// Keys that one transaction writes beside.
const AT_ONCE: usize = 60;

/// What is there of one name.
#[derive(Debug)]
struct Found {
    row: Option<(RowText, u64)>,
    record: Option<(RecordText, u64)>,
    /// Who runs it, and the revision of that.
    owner: Option<(OwnerText, u64)>,
}

impl Found {
    /// The record of who runs it is as it was found.
    fn owner_as_found(&self, name: &str) -> Compare {
        let revision = self.owner.as_ref().map(|it| it.1);
        as_found(keys::owner(name), revision)
    }

    /// Whether this host may tell what becomes of it: another one does not run it.
    fn is_for(&self, host: &str) -> bool {
        self.owner.as_ref().is_none_or(|it| it.0.host == host)
    }
}

/// A document that is to become the current one.
struct Next<'a> {
    change: Change,
    document: Document,
    who: &'a Details,
    /// Its DPE has it already, and knows itself by this uuid.
    taken_by: Option<&'a str>,
    keep: Keep,
}

/// All of them.
#[derive(Debug, Clone)]
pub(crate) struct Deployments {
    pub(crate) calls: Calls,
    pub(crate) log: Log,
    /// This host.
    pub(crate) host: String,
}

/// It is as it was found.
fn as_found(key: String, revision: Option<u64>) -> Compare {
    match revision {
        Some(revision) => Compare::Revision(key, revision),
        None => Compare::Absent(key),
    }
}

fn put(key: String, value: &impl serde::Serialize) -> Operation {
    Operation::Put(key, bytes(value), None)
}

fn busy(name: &str) -> Error {
    Error::Unavailable(format!(
        "others change {name} all the time: nothing was changed, try again"
    ))
}

impl Deployments {
    pub(crate) async fn all(&self) -> Result<Vec<Row>> {
        let listed = self.calls.list(keys::ROW).await?;
        let mut rows = Vec::new();
        for entry in listed.entries {
            let name = &entry.key[keys::ROW.len()..];
            rows.push(read::<RowText>(&entry.key, &entry.value)?.row(name));
        }
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(rows)
    }

    pub(crate) async fn one(&self, name: &str) -> Result<Option<Row>> {
        let found = self.find(name).await?;
        Ok(found.row.map(|(text, _)| text.row(name)))
    }

    async fn find(&self, name: &str) -> Result<Found> {
        let keys = [keys::row(name), keys::deployment(name), keys::owner(name)];
        let reply = self.calls.read(keys.to_vec()).await?;
        let [row, record, owner] =
            keys.map(|key| reply.found.iter().find(|entry| entry.key == key));
        Ok(Found {
            row: match row {
                Some(entry) => Some((read(&entry.key, &entry.value)?, entry.revision)),
                None => None,
            },
            record: match record {
                Some(entry) => Some((read(&entry.key, &entry.value)?, entry.revision)),
                None => None,
            },
            // What cannot be read is nobody's who tells something.
            owner: owner.map(|entry| {
                let text = serde_json::from_slice(&entry.value).unwrap_or_default();
                (text, entry.revision)
            }),
        })
    }

    pub(crate) async fn generation(
        &self,
        name: &str,
        number: u64,
    ) -> Result<Option<GenerationText>> {
        let key = keys::generation(name, number);
        let found = self.calls.get(&key).await?;
        found.map(|entry| read(&key, &entry.value)).transpose()
    }

    pub(crate) async fn generations(&self, name: &str) -> Result<Vec<(u64, GenerationText)>> {
        let prefix = keys::generations(name);
        let mut all = Vec::new();
        for entry in self.calls.list(&prefix).await?.entries {
            let number = entry.key[prefix.len()..].parse().unwrap_or(0);
            all.push((number, read(&entry.key, &entry.value)?));
        }
        Ok(all)
    }

    /// The document of a generation (0: the current one), and what is known of it.
    pub(crate) async fn document(
        &self,
        name: &str,
        generation: u64,
    ) -> Result<Option<(String, u64, GenerationText)>> {
        for _ in 0..ATTEMPTS {
            let number = match generation {
                0 => match self.find(name).await?.row {
                    Some((row, _)) => row.generation,
                    None => return Ok(None),
                },
                number => number,
            };
            if let Some(record) = self.generation(name, number).await? {
                if let Some(text) = download(&self.calls, name, &record).await? {
                    return Ok(Some((text, number, record)));
                }
            } else if generation != 0 {
                return Ok(None);
            }
            // It was dropped meanwhile.
        }
        Err(busy(name))
    }

    /// The current document, if it can be read, and what it claims.
    pub(crate) async fn document_and_claims(
        &self,
        name: &str,
    ) -> Result<Option<(Option<String>, u64, String)>> {
        for _ in 0..ATTEMPTS {
            let Some((row, _)) = self.find(name).await?.row else {
                return Ok(None);
            };
            let number = row.generation;
            let Some(record) = self.generation(name, number).await? else {
                continue;
            };
            match download(&self.calls, name, &record).await {
                Ok(None) => {}
                Ok(Some(text)) => return Ok(Some((Some(text), number, record.claims))),
                Err(Error::Refused(_)) => return Ok(Some((None, number, record.claims))),
                Err(error) => return Err(error),
            }
        }
        Err(busy(name))
    }

    async fn is_current(&self, name: &str, row: &RowText, document: &Document) -> Result<bool> {
        let current = self.generation(name, row.generation).await?;
        Ok(current.is_some_and(|current| current.hash == hash(&document.text)))
    }

    pub(crate) async fn create(
        &self,
        name: &str,
        uuid: &str,
        document: &Document,
        limit: usize,
        by: &Details,
    ) -> Result<Created> {
        let owner = by.get(CALLER_PRINCIPAL).map_or("", String::as_str);
        let row = RowText::new(uuid, 1, owner);
        let mut uploaded = None;
        for _ in 0..ATTEMPTS {
            let found = self.find(name).await?;
            if let Some((existing, _)) = &found.row {
                return Ok(if existing.destroying != 0 {
                    Created::BeingDestroyed
                } else if self.is_current(name, existing, document).await? {
                    Created::Same(existing.row(name))
                } else {
                    Created::Other(existing.generation)
                });
            }
            if found.record.as_ref().is_some_and(|(it, _)| it.destroying) {
                return Ok(Created::BeingDestroyed);
            }
            if self.calls.count(keys::ROW).await? >= limit as u64 {
                return Ok(Created::TooMany);
            }
            let upload = self.upload_once(name, document, (by, ""), &mut uploaded);
            let txn = insert(name, &found, &row, upload.await?, document);
            // Another one for each attempt: the id of one that has failed may be used up.
            let event = created(name, uuid, by);
            if self.log.commit(txn, vec![event]).await?.is_some() {
                return Ok(Created::New(row.row(name)));
            }
        }
        Err(busy(name))
    }

    async fn upload_once<'a>(
        &self,
        name: &str,
        document: &Document,
        origin: (&Details, &str),
        uploaded: &'a mut Option<Upload>,
    ) -> Result<&'a Upload> {
        if uploaded.is_none() {
            *uploaded = Some(upload(&self.calls, name, document, origin).await?);
        }
        Ok(uploaded.as_ref().expect("invariant: it was uploaded above"))
    }

    pub(crate) async fn adopt(
        &self,
        name: &str,
        uuid: &str,
        generation: u64,
        document: &Document,
    ) -> Result<Option<Row>> {
        let mut row = RowText::new(uuid, generation, "");
        row.loaded = generation;
        let (mut uploaded, nobody) = (None, Details::new());
        for _ in 0..ATTEMPTS {
            let found = self.find(name).await?;
            if found.row.is_some() {
                return Ok(None);
            }
            let Change { remark, event, .. } = adopted(name, uuid, generation);
            let upload = self.upload_once(name, document, (&nobody, &remark), &mut uploaded);
            let txn = insert(name, &found, &row, upload.await?, document);
            if self.log.commit(txn, vec![event]).await?.is_some() {
                return Ok(Some(row.row(name)));
            }
        }
        Err(busy(name))
    }

    pub(crate) async fn update(
        &self,
        name: &str,
        uuid: Option<&str>,
        expected: u64,
        document: &Document,
        keep: Keep,
        by: &Details,
    ) -> Result<Updated> {
        let mut uploaded = None;
        for _ in 0..ATTEMPTS {
            let found = self.find(name).await?;
            let Some((row, _)) = &found.row else {
                return Ok(Updated::NotFound);
            };
            let is_current = self.is_current(name, row, document).await?;
            let change = match updated(&row.row(name), uuid, expected, is_current, by) {
                Ok(change) => change,
                Err(refusal) => return Ok(*refusal),
            };
            let next = Next {
                change,
                document: document.clone(),
                who: by,
                taken_by: None,
                keep,
            };
            if let Some(row) = self.replace(name, &found, next, &mut uploaded).await? {
                return Ok(Updated::New(row));
            }
        }
        Err(busy(name))
    }

    pub(crate) async fn renumber(&self, name: &str, above: u64, keep: Keep) -> Result<Option<Row>> {
        let nobody = Details::new();
        for _ in 0..ATTEMPTS {
            let found = self.find(name).await?;
            let Some((row, _)) = &found.row else {
                return Ok(None);
            };
            let existing = row.row(name);
            let Some(change) = renumbered(&existing, above) else {
                return Ok(Some(existing));
            };
            let Some((text, _, record)) = self.document(name, row.generation).await? else {
                continue;
            };
            let next = Next {
                change,
                document: Document {
                    text,
                    claims: record.claims,
                    ..Document::default()
                },
                who: &nobody,
                taken_by: None,
                keep,
            };
            if let Some(row) = self.replace(name, &found, next, &mut None).await? {
                return Ok(Some(row));
            }
        }
        Err(busy(name))
    }

    pub(crate) async fn take_over(
        &self,
        name: &str,
        uuid: &str,
        generation: u64,
        document: &Document,
        keep: Keep,
    ) -> Result<Option<Row>> {
        let nobody = Details::new();
        for _ in 0..ATTEMPTS {
            let found = self.find(name).await?;
            let Some((row, _)) = &found.row else {
                return Ok(None);
            };
            let existing = row.row(name);
            let Some(change) = taken_over(&existing, uuid, generation) else {
                return Ok(Some(existing));
            };
            let next = Next {
                change,
                document: document.clone(),
                who: &nobody,
                taken_by: Some(uuid),
                keep,
            };
            if let Some(row) = self.replace(name, &found, next, &mut None).await? {
                return Ok(Some(row));
            }
        }
        Err(busy(name))
    }

    /// Turns to the next document. `None`: somebody else was faster.
    async fn replace(
        &self,
        name: &str,
        found: &Found,
        next: Next<'_>,
        uploaded: &mut Option<Upload>,
    ) -> Result<Option<Row>> {
        let Some((existing, revision)) = &found.row else {
            return Ok(None);
        };
        let number = next.change.generation;
        let origin = (next.who, next.change.remark.as_str());
        let upload = self.upload_once(name, &next.document, origin, uploaded);
        let upload = upload.await?;
        let mut row = existing.clone();
        row.generation = number;
        if let Some(uuid) = next.taken_by {
            row.loaded = number;
            uuid.clone_into(&mut row.uuid);
        }
        let needs = &next.document.needs;
        let record = match &found.record {
            Some((record, _)) => record.asking(needs),
            None => RecordText::new(number, needs),
        };
        let record = RecordText {
            generation: number,
            change: change(),
            ..record
        };
        let mut compare = vec![
            Compare::Revision(keys::row(name), *revision),
            as_found(keys::deployment(name), found.record.as_ref().map(|it| it.1)),
        ];
        compare.extend(upload.chunks.clone());
        let mut then = vec![
            put(keys::row(name), &row),
            put(keys::deployment(name), &record),
            put(keys::generation(name, number), &upload.record),
        ];
        then.extend(
            self.drop_former(name, number, &upload.record, next.keep)
                .await?,
        );
        let txn = Txn {
            compare,
            then,
            otherwise: Vec::new(),
        };
        let done = self.log.commit(txn, vec![next.change.event]).await?;
        Ok(done.map(|()| row.row(name)))
    }

    /// Drops former documents beyond what is to be kept.
    async fn drop_former(
        &self,
        name: &str,
        number: u64,
        new: &GenerationText,
        keep: Keep,
    ) -> Result<Vec<Operation>> {
        let former = self.generations(name).await?;
        let mut all: Vec<_> = former.iter().map(|(n, it)| it.generation(*n)).collect();
        all.push(new.generation(number));
        let gone = dropped(&all, keep);
        let gone = former
            .iter()
            .filter(|(n, _)| gone.contains(n))
            .take(DROPPED);
        let drop = gone.flat_map(|(n, it)| {
            [
                Operation::Delete(keys::generation(name, *n)),
                Operation::DeleteAll(keys::upload(name, &it.upload)),
            ]
        });
        Ok(drop.collect())
    }

    pub(crate) async fn destroy(
        &self,
        name: &str,
        expected: u64,
        how: Destroying,
    ) -> Result<Marked> {
        let fits = |row: &RowText| expected == 0 || expected == row.generation;
        let edited = self
            .edit(name, |row| {
                if fits(row) {
                    row.destroy(how);
                }
            })
            .await?;
        Ok(match edited {
            None => Marked::NotFound,
            Some(row) if !fits(&row) => Marked::Conflict(row.generation),
            Some(row) => Marked::Now(row.row(name)),
        })
    }

    /// Changes what is known of a deployment. Done twice, it is as if done once.
    pub(crate) async fn edit(
        &self,
        name: &str,
        edit: impl Fn(&mut RowText),
    ) -> Result<Option<RowText>> {
        self.edit_if(name, |_| true, edit).await
    }

    /// The same, by what the host sees that runs it. One that has stood still, and whose deployment
    /// another host has taken since, changes nothing.
    pub(crate) async fn edit_here(
        &self,
        name: &str,
        edit: impl Fn(&mut RowText),
    ) -> Result<Option<RowText>> {
        let is_ours = |found: &Found| found.is_for(&self.host);
        self.edit_if(name, is_ours, edit).await
    }

    async fn edit_if(
        &self,
        name: &str,
        may: impl Fn(&Found) -> bool,
        edit: impl Fn(&mut RowText),
    ) -> Result<Option<RowText>> {
        for _ in 0..ATTEMPTS {
            let found = self.find(name).await?;
            let Some((existing, revision)) = &found.row else {
                return Ok(None);
            };
            let mut row = existing.clone();
            if may(&found) {
                edit(&mut row);
            }
            if row == *existing {
                return Ok(Some(row));
            }
            let mut txn = Txn {
                compare: vec![
                    Compare::Revision(keys::row(name), *revision),
                    found.owner_as_found(name),
                ],
                then: vec![put(keys::row(name), &row)],
                otherwise: Vec::new(),
            };
            // From then on nothing needs its DPE.
            if let (true, Some((record, at))) = (row.unloaded, &found.record)
                && !record.destroying
            {
                let key = keys::deployment(name);
                let record = RecordText {
                    change: change(),
                    destroying: true,
                    ..record.clone()
                };
                txn.compare.push(Compare::Revision(key.clone(), *at));
                txn.then.push(put(key, &record));
            }
            if self.log.commit(txn, Vec::new()).await?.is_some() {
                return Ok(Some(row));
            }
        }
        Err(busy(name))
    }

    pub(crate) async fn note_run(&self, name: &str, run: &Run, time: u64) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let found = self.find(name).await?;
            let Some((row, revision)) = &found.row else {
                return Ok(());
            };
            if !found.is_for(&self.host) {
                return Ok(());
            }
            let Some(news) = runs(&row.row(name), &self.host, run, time) else {
                return Ok(());
            };
            let mut row = row.clone();
            (row.invocation, row.alive) = (news.invocation, news.alive);
            row.host.clone_from(&self.host);
            let txn = Txn {
                compare: vec![
                    Compare::Revision(keys::row(name), *revision),
                    found.owner_as_found(name),
                ],
                then: vec![put(keys::row(name), &row)],
                otherwise: Vec::new(),
            };
            if self.log.commit(txn, news.events).await?.is_some() {
                return Ok(());
            }
        }
        Err(busy(name))
    }

    pub(crate) async fn forget(&self, name: &str, addresses: &[String]) -> Result<bool> {
        for _ in 0..ATTEMPTS {
            let found = self.find(name).await?;
            let Some((row, revision)) = &found.row else {
                return Ok(false);
            };
            if row.destroying == 0 {
                return Ok(false);
            }
            let as_read = Compare::Revision(keys::row(name), *revision);
            // Without a document no DPE has started anything.
            let left = if row.loaded > 0 { addresses } else { &[] };
            let note = |address: &String| match row.destroying >= 2 {
                true => Operation::Put(keys::left(address), name.into(), None),
                false => Operation::Delete(keys::left(address)),
            };
            let mut beside: Vec<Operation> = left.iter().map(note).collect();
            beside.extend(self.orders_of(name).await?);
            if !self.write(as_read.clone(), &beside).await? {
                continue;
            }
            let txn = delete(name, &found, as_read);
            let event = forgotten(name);
            if self.log.commit(txn, vec![event]).await?.is_some() {
                return Ok(true);
            }
        }
        Err(busy(name))
    }

    /// They may have values, and what resource agents said.
    async fn orders_of(&self, name: &str) -> Result<Vec<Operation>> {
        let prefix = keys::orders_of(name);
        let all = self.calls.keys(&prefix).await?;
        let delete = all.into_iter().flat_map(|key| {
            let order = format!("{}{}", keys::ORDER, &key[prefix.len()..]);
            [Operation::Delete(order), Operation::Delete(key)]
        });
        Ok(delete.collect())
    }

    /// Writes all of this, some at a time, while that holds. Done twice, it is as if done once.
    async fn write(&self, holds: Compare, all: &[Operation]) -> Result<bool> {
        for some in all.chunks(AT_ONCE) {
            let txn = Txn {
                compare: vec![holds.clone()],
                then: some.to_vec(),
                otherwise: Vec::new(),
            };
            if !self.calls.decide(txn).await?.reply.succeeded {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) async fn left_behind(&self, addresses: &[String]) -> Result<Vec<String>> {
        let mut left = Vec::new();
        for some in addresses.chunks(AT_ONCE) {
            let keys = some.iter().map(|address| keys::left(address)).collect();
            let found = self.calls.read(keys).await?.found;
            let is_left = |address: &&String| {
                let key = keys::left(address);
                found.iter().any(|entry| entry.key == key)
            };
            left.extend(some.iter().filter(is_left).cloned());
        }
        Ok(left)
    }
}

/// A new deployment: the store's rows and membership's record.
fn insert(name: &str, found: &Found, row: &RowText, upload: &Upload, document: &Document) -> Txn {
    let mut compare = vec![
        Compare::Absent(keys::row(name)),
        as_found(keys::deployment(name), found.record.as_ref().map(|it| it.1)),
    ];
    compare.extend(upload.chunks.clone());
    let record = RecordText::new(row.generation, &document.needs);
    Txn {
        compare,
        then: vec![
            put(keys::row(name), row),
            put(keys::deployment(name), &record),
            put(keys::generation(name, row.generation), &upload.record),
        ],
        otherwise: Vec::new(),
    }
}

/// The end of a deployment. If a host runs it still, membership has that host end it, and remove
/// its record.
fn delete(name: &str, found: &Found, as_read: Compare) -> Txn {
    let record = keys::deployment(name);
    let end = match (&found.record, &found.owner) {
        (Some((text, _)), Some(_)) => put(
            record.clone(),
            &RecordText {
                change: change(),
                destroying: true,
                ..text.clone()
            },
        ),
        _ => Operation::Delete(record.clone()),
    };
    Txn {
        compare: vec![
            as_read,
            as_found(record, found.record.as_ref().map(|it| it.1)),
            found.owner_as_found(name),
        ],
        then: vec![
            Operation::Delete(keys::row(name)),
            end,
            Operation::DeleteAll(keys::generations(name)),
            Operation::DeleteAll(keys::uploads(name)),
            Operation::DeleteAll(keys::facts(name)),
        ],
        otherwise: Vec::new(),
    }
}
