//! Manifest lists, manifests and index manifests: Avro files to records and back.
//!
//! Fields are found by name in the schema of the file: an optional field that is missing reads as null, an unknown one
//! is skipped. ORC and Parquet manifests of releases up to 1.4 are put into Avro form by
//! [`ManifestRecords`], never written. Source: `ManifestFileMetaSerializer`, `ManifestEntrySerializer`, `DataFileMetaSerializer`,
//! `IndexManifestEntrySerializer`.

mod columnar;
mod decode;
mod encode;
mod layout;
mod plan;

pub use columnar::ManifestRecords;
pub use decode::{EntryFilter, decode_index_manifest, decode_manifest, decode_manifest_list};
pub use encode::{encode_index_manifest, encode_manifest, encode_manifest_list};

#[cfg(test)]
mod tests;
