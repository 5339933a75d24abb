//! ORC data files to batches, on the `orc-rust` decoder, and batches to ORC files ([`OrcEncoder`]).
//!
//! The decoder trusts its input: it panics on broken blocks, recurses over the type tree and allocates what counts in
//! the file ask for. So the file is taken apart here, and only checked pieces reach it:
//!
//! ```text
//! file tail -> [tail]    postscript, footer: lengths, stripes inside the file, row counts
//!           -> [column]  type tree cut down to the wanted columns, checked to be a tree
//! stripe    -> [stripe]  footer, wanted streams only (one coalesced request), blocks checked by [block]
//!           -> [lengths] sums of list, map and dictionary lengths, which the decoder allocates
//!           -> an image of a one-stripe file in memory -> decoder on a blocking thread (panics become errors)
//! arrays    -> [convert] the types of `arrow_bridge`
//! ```
//!
//! Java classes: `OrcFormatReader`, `OrcTypeUtil`, `OrcTimestampColumnVector`. Values come out as Java reads them:
//! timestamps in the second before 1970 read one second later, timestamps before 1582-10-15 carry the shift of the
//! Julian calendar, CHAR is stripped of the blanks that the format pads it with.

mod block;
mod column;
mod convert;
mod lengths;
mod stream;
mod stripe;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

use orc_rust::proto::Type;
use orc_rust::proto::r#type::Kind;
pub use writer::OrcEncoder;
pub(super) use writer::check_compression;

use crate::error::{Error, ErrorKind, Result};
use crate::format::summary::{ELEMENT, KEY, VALUE, file_columns, named};
use crate::format::{BatchStream, FileReadRequest, FileSummary};
use crate::spec::DataType;

/// Number of the root of the type tree.
const ROOT: u32 = 0;

/// Reads an ORC data file.
///
/// Batches of at most `batch_size` rows in file order, with the requested columns and, if asked for, the position
/// column. Stripes without wanted rows are not read; the next stripe is fetched while one is decoded. The predicate is
/// ignored.
///
/// # Errors
/// `Damaged` for a file that breaks the format, lacks the promised rows or has a column of another type;
/// `Unsupported` for VARIANT and VECTOR columns, for encrypted files and for a TIMESTAMP of precision above 6 outside
/// of 1677..2262; `Io` when the store fails. Errors after the tail was read come from the stream.
///
/// # Cancel safety
/// Dropping the future or the stream ends outstanding requests.
pub async fn read_orc(request: FileReadRequest) -> Result<BatchStream> {
    let location = request.file.location();
    stream::open(request)
        .await
        .map_err(|e| e.with_default("path", location))
}

/// The tail as a summary.
pub(super) async fn summarize(request: &FileReadRequest) -> Result<FileSummary> {
    let tail = tail::Tail::read(&request.file).await?;
    let types = tail.footer.types;
    let parts_of = |id: &u32, _: &DataType| parts(&types, *id);
    Ok(FileSummary {
        rows: tail.rows,
        columns: file_columns(parts(&types, ROOT), &named(&request.fields), &parts_of),
        bounds: vec![None; request.fields.len()],
    })
}

/// What a node of the type tree is made of, with the numbers of the nodes.
fn parts(types: &[Type], id: u32) -> Vec<(String, u32)> {
    let found = usize::try_from(id).ok().and_then(|id| types.get(id));
    let Some(found) = found else {
        return Vec::new();
    };
    match (found.kind(), found.subtypes.as_slice()) {
        (Kind::Struct, fields) => {
            let names = found.field_names.iter().cloned();
            names.zip(fields.iter().copied()).collect()
        }
        (Kind::List, [item]) => vec![(ELEMENT.to_string(), *item)],
        (Kind::Map, [key, value]) => {
            vec![(KEY.to_string(), *key), (VALUE.to_string(), *value)]
        }
        _ => Vec::new(),
    }
}

/// An error of the decoder: the file is not what the format says.
fn decoder_error(message: &str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Damaged, message).with_source(source)
}
