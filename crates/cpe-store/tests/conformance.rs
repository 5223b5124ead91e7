//! SQLite does what every store must do.

use std::sync::Arc;

use cpe_store::Store;
use cpe_store::conformance::CASES;
use cpe_store::sqlite::Sqlite;

#[tokio::test]
async fn sqlite_does_what_every_store_must_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, kept_aside) = Sqlite::open(directory.path()).expect("a database");
    assert_eq!(kept_aside, None);
    let store: Arc<dyn Store> = Arc::new(store);
    for (name, case) in CASES {
        eprintln!("{name}");
        case(Arc::clone(&store)).await;
    }
}
