//! Bytes on storage to values of [`crate::spec`] and back: JSON and Avro containers.
//!
//! Every length, count and offset is checked against the bytes that remain before anything is allocated for it.

pub mod avro;
mod json;
mod manifest;

pub use json::{parse_json, write_json};
pub use manifest::{
    EntryFilter, ManifestRecords, decode_index_manifest, decode_manifest, decode_manifest_list,
    encode_index_manifest, encode_manifest, encode_manifest_list,
};
