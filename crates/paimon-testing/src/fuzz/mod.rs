//! Fuzz targets: one function per kind of bytes that come from storage or from a user.
//!
//! A target panics when its input makes the engine panic, when an error has the wrong kind (`Internal`, `Io`), or when
//! what was decoded, encoded again, decodes to something else. `fuzz/` wraps the functions for libFuzzer;
//! `crates/paimon-core/tests/it/fuzz_corpus.rs` runs them on the kept corpus and seeded mutations of it.

mod corpus;
mod files;
mod indexes;
mod manifests;
mod metadata;
mod rows;
mod texts;

use std::fmt::Debug;

use paimon_core::{Error, ErrorKind, Result};

pub use corpus::{Seed, seeds};
pub use files::{avro_file, blob_file, orc_file, parquet_file};
pub use indexes::{
    bitmap_index, bloom_filter, bsi_index, deletion_vector, file_index, range_bitmap,
};
pub use manifests::{index_manifest, manifest, manifest_list};
pub use metadata::{consumer, hint, schema, snapshot, statistics, tag};
pub use rows::binary_row;
pub use texts::{data_type, option_values, partition_path, table_options};

/// A target by name.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name of its libFuzzer program and of its folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Checks one input.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    target("avro_file", avro_file),
    target("binary_row", binary_row),
    target("bitmap_index", bitmap_index),
    target("blob_file", blob_file),
    target("bloom_filter", bloom_filter),
    target("bsi_index", bsi_index),
    target("consumer", consumer),
    target("data_type", data_type),
    target("deletion_vector", deletion_vector),
    target("file_index", file_index),
    target("hint", hint),
    target("index_manifest", index_manifest),
    target("manifest", manifest),
    target("manifest_list", manifest_list),
    target("option_values", option_values),
    target("orc_file", orc_file),
    target("parquet_file", parquet_file),
    target("partition_path", partition_path),
    target("range_bitmap", range_bitmap),
    target("schema", schema),
    target("snapshot", snapshot),
    target("statistics", statistics),
    target("table_options", table_options),
    target("tag", tag),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

thread_local! {
    static RUNTIME: std::io::Result<tokio::runtime::Runtime> =
        tokio::runtime::Builder::new_current_thread().build();
}

/// Runs a read to its end.
fn block_on<T>(read: impl Future<Output = Result<T>>) -> Result<T> {
    RUNTIME.with(|runtime| match runtime {
        Ok(runtime) => runtime.block_on(read),
        Err(error) => Err(Error::internal(format!("no runtime: {error}"))),
    })
}

/// The value, if there is one; an error must blame the input.
fn accepted<T>(result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let blames_input = matches!(
                error.kind(),
                ErrorKind::Damaged
                    | ErrorKind::Unsupported
                    | ErrorKind::InvalidInput
                    | ErrorKind::ResourceExhausted
            );
            assert!(blames_input, "{:?} for a bad input: {error}", error.kind());
            None
        }
    }
}

/// Checks that a value survives being encoded and decoded.
fn assert_survives<T: PartialEq + Debug>(
    value: &T,
    encode: impl FnOnce(&T) -> Result<Vec<u8>>,
    decode: impl FnOnce(Vec<u8>) -> Result<T>,
) {
    let Some(bytes) = accepted(encode(value)) else {
        return;
    };
    let again = decode(bytes).map_err(|error| error.to_string());
    assert_eq!(again.as_ref(), Ok(value), "decoded, encoded and decoded");
}
