//! JSON metadata and hints.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use object_store::memory::InMemory;
use paimon_core::Result;
use paimon_core::arrow_bridge::arrow_schema;
use paimon_core::codec::{parse_json, write_json};
use paimon_core::io::FileIo;
use paimon_core::options::CoreOptions;
use paimon_core::schema::validate_schema;
use paimon_core::snapshot::SnapshotManager;
use paimon_core::spec::{Consumer, Snapshot, Statistics, TableSchema, Tag};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{accepted, assert_survives};

fn document<T: DeserializeOwned + Serialize + PartialEq + Debug>(data: &[u8]) -> Option<T> {
    let value: T = accepted(parse_json(data, "document"))?;
    assert_survives(&value, write_json, |bytes| parse_json(&bytes, "document"));
    Some(value)
}

/// A snapshot file.
pub fn snapshot(data: &[u8]) {
    document::<Snapshot>(data);
}

/// A tag file.
pub fn tag(data: &[u8]) {
    if let Some(tag) = accepted(parse_json::<Tag>(data, "tag")) {
        let _ = (tag.create_time_ms(), tag.time_retained_ms());
    }
}

/// A consumer file.
pub fn consumer(data: &[u8]) {
    document::<Consumer>(data);
}

/// A file of table statistics.
pub fn statistics(data: &[u8]) {
    document::<Statistics>(data);
}

/// A schema file, and everything that opening a table derives from it.
pub fn schema(data: &[u8]) {
    let Some(schema) = document::<TableSchema>(data) else {
        return;
    };
    if accepted(schema.validate()).is_none() {
        return;
    }
    let schema = schema.with_legacy_defaults();
    assert_eq!(
        arrow_schema(&schema.fields).fields().len(),
        schema.fields.len()
    );
    let keys = schema.trimmed_primary_keys();
    assert!(keys.len() <= schema.primary_keys.len());
    let _ = (schema.key_fields(), schema.partition_fields());
    accepted(CoreOptions::new(&schema));
    accepted(validate_schema(&schema));
}

/// The file of a hint beside three snapshots: whatever it says, the answer is right.
pub fn hint(data: &[u8]) {
    let io = FileIo::with_store(Arc::new(InMemory::new()), "memory://");
    let manager = SnapshotManager::new(io.clone(), "memory:/t");
    let answers = async {
        for id in 3..6 {
            io.overwrite(&manager.location(id), Bytes::from_static(b"{}"))
                .await?;
        }
        for name in ["EARLIEST", "LATEST"] {
            let path = format!("memory:/t/snapshot/{name}");
            io.overwrite(&path, Bytes::copy_from_slice(data)).await?;
        }
        Result::Ok((manager.earliest_id().await?, manager.latest_id().await?))
    };
    // nothing waits in a store in memory
    let answers = answers.now_or_never().and_then(accepted);
    assert_eq!(answers, Some((Some(3), Some(5))));
}
