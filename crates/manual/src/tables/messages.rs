//! Lines of the journal beside the events that have a `MESSAGE_ID` of their own.

use cpe_bus::events::OTHER_MESSAGE_ID;

use super::Table;

/// The id, of which unit, what it means, what to do.
const MESSAGES: &[[&str; 4]] = &[
    [
        "d723a4e57b7f49408d37303ec1f48fc1",
        "cpe",
        "The database cannot be used, and later: it can be again",
        "Make room in `/var/lib/cpe`, or mend the disk. DPEs and services run on; nothing can be deployed until then",
    ],
    [
        "5c6f0d1f2b9d4c0fb6a3c1a7c7a4e0d9",
        "cpe",
        "The database is damaged; it was kept as `cpe.db.corrupt-TIME`, and an empty one begins",
        "Nothing for deployments: they are taken over from their DPEs. The event log begins again, unless you restore a backup",
    ],
    [
        "036de7d4fbf24d439787fb2aee46d51c",
        "cpe",
        "The database was opened on a full disk; no other program can open it",
        "Make room in `/var/lib/cpe`, then `systemctl restart cpe`",
    ],
    [
        "0f9f1a0f0d8e4cbb9f3c7b0a6c1d52e7",
        "cpe",
        "The file system of the database is read-only: DPEs are kept running, and nothing can be changed",
        "Make it writable, then `systemctl restart cpe`",
    ],
    [
        "b87c1e125b394c1aa4abd70adee256d3",
        "cpe",
        "The unit of a DPE runs and has not appeared on the bus",
        "The bus takes no more connections of user `dpe`: see \"Many deployments\" in the operations guide",
    ],
    [
        "0c1b9a3f7f6e4d52a9d8b7e31f20c6a4",
        "cpe",
        "A DPE runs whose deployment is not stored, and cannot be taken over yet",
        "It is left alone and asked again; the line says why. `cpectl destroy NAME` ends it",
    ],
    [
        "5b0c44a76c0c4c6e9d0f9a3f2b6e8d17",
        "cpe",
        "Nobody knows whether an order with an id (`GiveOrder`, `POST D/operations`) was done",
        "Look before you give it again: `cpectl status NAME`, `cpectl events -d NAME`",
    ],
    [
        "6f1f3b0e3a6e4a2d8a5b0e7d9c2f4b18",
        "dpe@NAME",
        "The state of a DPE is damaged; it was kept as `state.sqlite.damaged-TIME`, and an empty one begins",
        "Tickets are to be granted again, and permanent attributes and orders about services are gone. Is the disk well?",
    ],
    [
        "4e1c9a0f7d5b4b7c8f3d2a6b91e07c35",
        "cpe-notify",
        "A sink failed: an event is a dead letter",
        "`cpectl sinks dead SINK` says why. Mend the receiver, then `cpectl sinks redeliver SINK`",
    ],
    [
        "b3d7f2c85a6e4f0d9c1b7e4a2f806d13",
        "cpe-notify",
        "Events were removed from the log before a sink had looked at them",
        "The sink was away for too long: `cpectl sinks`. Raise `events.keep_for` or `events.keep_count` if that is to be borne",
    ],
    [
        "0a94c6de31f74b2e8b5d1c7f6e92a458",
        "cpe-notify",
        "The log was lost or restored from a backup: a sink begins again",
        "Nothing. Receivers may get again what they had",
    ],
    [
        OTHER_MESSAGE_ID,
        "cpe",
        "An event of a kind that is not ours: another program has recorded it",
        "Ask that program's documentation",
    ],
];

pub(super) fn table() -> Table {
    let rows = MESSAGES.iter().map(|row| row.map(str::to_owned));
    Table::new(
        "messages",
        ["MESSAGE_ID", "unit", "what it means", "what to do"],
        rows.collect(),
    )
}
