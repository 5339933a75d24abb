//! Which files were loaded into a table: files `copy-into/history/load-<hash of the path>-<time>` in its folder.
//!
//! Source: `CopyLoadHistoryManager`, `CopyLoadRecord`.

use paimon_core::Result;
use paimon_core::io::FileIo;
use paimon_core::table::Table;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::place::SourceFile;

/// Largest record that is read, bytes.
const RECORD_SIZE_MAX: u64 = 1 << 20;

/// The load history of a table.
pub(super) struct History {
    io: FileIo,
    folder: String,
    /// Names of the records.
    names: Vec<String>,
}

/// What one load is remembered by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Epoch milliseconds.
    pub(super) at_ms: i64,
    /// The newest snapshot afterwards.
    pub(super) snapshot_id: i64,
    pub(super) rows: u64,
}

impl History {
    /// # Errors
    /// `Io` when the store fails.
    pub(super) async fn open(table: &Table) -> Result<Self> {
        let folder = format!("{}/copy-into/history", table.location());
        let files = table.io().list_files(&folder).await?;
        Ok(Self {
            io: table.io().clone(),
            folder,
            names: files.into_iter().map(|file| file.name).collect(),
        })
    }

    /// Whether a file of this path, size and time of change was loaded. Records that cannot be read are none.
    pub(super) async fn holds(&self, file: &SourceFile) -> bool {
        let prefix = prefix(file);
        for name in self.names.iter().filter(|name| name.starts_with(&prefix)) {
            let path = format!("{}/{name}", self.folder);
            let record = match self.io.read(&path, RECORD_SIZE_MAX).await {
                Ok(bytes) => serde_json::from_slice::<Value>(&bytes).unwrap_or_default(),
                Err(error) => {
                    tracing::warn!(%error, path, "a record of a load cannot be read");
                    continue;
                }
            };
            let is = |key: &str, value: i64| record.get(key).and_then(Value::as_i64) == Some(value);
            if is("fileSize", size(file)) && is("lastModified", modified_ms(file)) {
                return true;
            }
        }
        false
    }

    /// Remembers that a file was loaded.
    ///
    /// # Errors
    /// `Io` when the store fails.
    pub(super) async fn record(&self, file: &SourceFile, load: Load) -> Result<()> {
        let record = json!({
            "filePath": file.hadoop_path,
            "fileSize": size(file),
            "lastModified": modified_ms(file),
            "loadedAt": load.at_ms,
            "snapshotId": load.snapshot_id,
            "rowsLoaded": load.rows,
        });
        let path = format!("{}/{}{}", self.folder, prefix(file), load.at_ms);
        self.io.overwrite(&path, record.to_string().into()).await
    }
}

/// How records of a path begin.
fn prefix(file: &SourceFile) -> String {
    let hash = Sha256::digest(file.hadoop_path.as_bytes());
    let hex: String = hash.iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("load-{hex}-")
}

fn size(file: &SourceFile) -> i64 {
    i64::try_from(file.meta.size).unwrap_or(i64::MAX)
}

fn modified_ms(file: &SourceFile) -> i64 {
    file.meta.last_modified.timestamp_millis()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(size: u64) -> SourceFile {
        SourceFile {
            name: "a.csv".to_string(),
            hadoop_path: "file:/data/a.csv".to_string(),
            meta: object_store::ObjectMeta {
                location: object_store::path::Path::from("data/a.csv"),
                last_modified: Default::default(),
                size,
                e_tag: None,
                version: None,
            },
        }
    }

    #[tokio::test]
    async fn a_file_is_known_by_path_size_and_time() {
        // sha256 of the path, as Java names the record
        assert_eq!(prefix(&file(1)), "load-26e66bf685b7e598-");
        let io = FileIo::for_location("memory:/history").unwrap();
        let open = |names: &[String]| History {
            io: io.clone(),
            folder: "memory:/history/t/copy-into/history".to_string(),
            names: names.to_vec(),
        };
        let load = Load {
            at_ms: 5,
            snapshot_id: 2,
            rows: 7,
        };
        open(&[]).record(&file(1), load).await.unwrap();
        let known = open(&[format!("{}5", prefix(&file(1)))]);
        assert!(known.holds(&file(1)).await);
        assert!(!known.holds(&file(2)).await);
        assert!(!open(&[]).holds(&file(1)).await);
    }
}
