//! How the database is, for people.

use std::path::{Path, PathBuf};

use cpe_status::StoreStatus;

use super::handle::{Database, Sqlite};
use crate::error::Result;

/// What is beside the database's file: its log, and the memory that readers share.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

impl Sqlite {
    /// How it is. That it cannot be read is a part of that.
    pub async fn condition(&self) -> StoreStatus {
        let asked = self.run(|database| Ok((database.path.clone(), database.trouble())));
        let (file, trouble) = match asked.await {
            Ok((file, Ok(trouble))) => (file, trouble),
            Ok((file, Err(error))) => (file, error.to_string()),
            Err(error) => (PathBuf::new(), error.to_string()),
        };
        StoreStatus {
            kind: "sqlite".to_owned(),
            trouble,
            log: self.log_id().to_owned(),
            cursor: *self.newest().borrow(),
            size: size(&file),
            free: free(&file),
            file: file.display().to_string(),
            ..StoreStatus::default()
        }
    }
}

impl Database {
    /// Why nothing can be changed; empty: it can.
    fn trouble(&self) -> Result<String> {
        // Something that is in the file, and not in memory.
        let _: i64 = self
            .connection
            .query_row("SELECT count(*) FROM setting", [], |row| row.get(0))?;
        let is_read_only: bool = self
            .connection
            .pragma_query_value(None, "query_only", |row| row.get(0))?;
        Ok(match is_read_only {
            true => "its file system was read-only when cpe started: nothing can be changed".into(),
            false => String::new(),
        })
    }
}

fn size(file: &Path) -> u64 {
    let beside = BESIDE.map(|end| PathBuf::from(format!("{}{end}", file.display())));
    let all = std::iter::once(file).chain(beside.iter().map(PathBuf::as_path));
    let sizes = all.filter_map(|path| Some(std::fs::metadata(path).ok()?.len()));
    sizes.sum()
}

/// Bytes of its file system that are left for us.
fn free(file: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(file.parent()?).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_says_where_it_is_and_how_large() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Sqlite::open(directory.path()).unwrap();
        let told = store.condition().await;
        assert_eq!((told.kind.as_str(), told.trouble.as_str()), ("sqlite", ""));
        let file = directory.path().join("cpe.db");
        assert_eq!(told.file, file.display().to_string());
        assert!(told.size >= std::fs::metadata(&file).unwrap().len());
        assert!(told.size > 0 && told.free.is_some());
        assert_eq!(told.log, store.log_id());
    }

    #[tokio::test]
    async fn one_that_can_only_be_read_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let (database, _) = Database::open(directory.path()).unwrap();
        let set = database.connection.pragma_update(None, "query_only", true);
        set.unwrap();
        let told = Sqlite::new(database).condition().await;
        assert!(told.trouble.contains("read-only"), "{}", told.trouble);
    }
}
