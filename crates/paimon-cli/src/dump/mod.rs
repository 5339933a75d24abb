//! `paimon dump FILE`: any metadata file as text or JSON.

mod records;

use std::io::Write;

use bytes::Bytes;
use paimon_catalog::absolute_location;
use paimon_core::codec::{
    ManifestRecords, decode_index_manifest, decode_manifest, decode_manifest_list,
};
use paimon_core::io::FileIo;
use paimon_core::manifest::read_in_avro;
use paimon_core::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::args::Args;
use crate::failure::{Failure, Outcome};

const LIMIT_BYTES: u64 = 1 << 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Snapshot, schema, tag, changelog, consumer, statistics, service.
    Json,
    /// `LATEST` and `EARLIEST`.
    Hint,
    ManifestList,
    Manifest,
    IndexManifest,
}

/// Prints the file.
pub(crate) async fn run(args: &Args, file: &str, as_json: bool) -> Outcome {
    let (kind, value) = load(args, file)
        .await
        .map_err(|e| Failure::engine(&e.with_default("path", file)))?;
    let text = if as_json {
        serde_json::to_string(&value)
    } else if matches!(kind, Kind::Json | Kind::Hint) {
        serde_json::to_string_pretty(&value)
    } else {
        // one record per line
        let records = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let lines: std::result::Result<Vec<String>, _> =
            records.iter().map(serde_json::to_string).collect();
        lines.map(|l| l.join("\n"))
    };
    let text = text.map_err(|e| Failure::bug(e.to_string()))?;
    let mut out = std::io::stdout();
    let written = if text.is_empty() {
        Ok(())
    } else {
        writeln!(out, "{text}")
    };
    written
        .and_then(|()| out.flush())
        .map_err(|e| Failure::output(&e))
}

async fn load(args: &Args, file: &str) -> Result<(Kind, Value)> {
    let location = absolute_location(file)?;
    let options = args.catalog_options.iter().cloned().collect();
    let io = paimon_stores::all().file_io(&location, &options)?;
    let Some(bytes) = io.read_optional(&location, LIMIT_BYTES).await? else {
        return Err(no_file(&io, &location).await);
    };
    let name = location.rsplit('/').next().unwrap_or_default();
    let kind = kind_of(name, &bytes)
        .ok_or_else(|| Error::invalid("not a metadata file of a Paimon table"))?;
    let in_avro = async |records| read_in_avro(&io, &location, records).await;
    let value = match kind {
        Kind::Json => serde_json::from_slice(&bytes)
            .map_err(|e| Error::damaged("JSON is expected").with_source(e))?,
        Kind::Hint => {
            let text = String::from_utf8_lossy(&bytes);
            let id: i64 = text
                .trim()
                .parse()
                .map_err(|_| Error::damaged(format!("a number is expected, found {text:?}")))?;
            json!(id)
        }
        Kind::ManifestList => decode_manifest_list(&in_avro(ManifestRecords::Lists).await?)?
            .iter()
            .map(records::manifest_file)
            .collect(),
        Kind::Manifest => decode_manifest(&in_avro(ManifestRecords::Entries).await?, None)?
            .iter()
            .map(records::entry)
            .collect(),
        Kind::IndexManifest => {
            decode_index_manifest(&in_avro(ManifestRecords::IndexEntries).await?)?
                .iter()
                .map(records::index_entry)
                .collect()
        }
    };
    Ok((kind, value))
}

/// Nothing is read from the path: a wrong argument, and no damage.
async fn no_file(io: &FileIo, location: &str) -> Error {
    let is_folder = std::path::Path::new(location).is_dir()
        || io.list_files(location).await.is_ok_and(|f| !f.is_empty())
        || io.list_folders(location).await.is_ok_and(|f| !f.is_empty());
    Error::new(
        ErrorKind::NotFound,
        match is_folder {
            true => "this is a folder, one of its files is expected",
            false => "there is no such file",
        },
    )
}

/// By name, else by content: JSON, or the field names in the header of an Avro file.
fn kind_of(name: &str, bytes: &Bytes) -> Option<Kind> {
    if name == "LATEST" || name == "EARLIEST" {
        return Some(Kind::Hint);
    }
    let by_name = [
        ("manifest-list-", Kind::ManifestList),
        ("index-manifest-", Kind::IndexManifest),
        ("manifest-", Kind::Manifest),
    ];
    if let Some((_, kind)) = by_name.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        return Some(*kind);
    }
    let first = bytes.iter().find(|b| !b.is_ascii_whitespace())?;
    if matches!(first, b'{' | b'[') {
        return Some(Kind::Json);
    }
    let header = bytes.get(..bytes.len().min(64 * 1024))?;
    let header = String::from_utf8_lossy(header);
    let has = |field: &str| header.contains(field);
    if !header.starts_with("Obj\u{1}") {
        None
    } else if has("_NUM_ADDED_FILES") {
        Some(Kind::ManifestList)
    } else if has("_INDEX_TYPE") {
        Some(Kind::IndexManifest)
    } else if has("_TOTAL_BUCKETS") {
        Some(Kind::Manifest)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_name_then_by_content() {
        let avro = |fields: &str| Bytes::from(format!("Obj\u{1}..{fields}"));
        for (name, bytes, expected) in [
            ("snapshot-1", Bytes::from("{}"), Some(Kind::Json)),
            ("LATEST", Bytes::from("3"), Some(Kind::Hint)),
            ("manifest-list-x-0", avro(""), Some(Kind::ManifestList)),
            ("manifest-x-0", avro(""), Some(Kind::Manifest)),
            ("index-manifest-x-0", avro(""), Some(Kind::IndexManifest)),
            ("copy", avro("_NUM_ADDED_FILES"), Some(Kind::ManifestList)),
            (
                "copy",
                avro("_KIND _TOTAL_BUCKETS _FILE"),
                Some(Kind::Manifest),
            ),
            ("copy", avro("_INDEX_TYPE"), Some(Kind::IndexManifest)),
            ("data.parquet", Bytes::from("PAR1"), None),
            ("empty", Bytes::new(), None),
        ] {
            assert_eq!(kind_of(name, &bytes), expected, "{name}");
        }
    }
}
