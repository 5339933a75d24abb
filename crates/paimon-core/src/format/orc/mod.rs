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

pub use writer::OrcEncoder;

use crate::error::{Error, ErrorKind, Result};
use crate::format::{BatchStream, FileReadRequest, FileSummary};

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
    let root = tail.footer.types.into_iter().next();
    Ok(FileSummary {
        rows: tail.rows,
        columns: root.map(|root| root.field_names).unwrap_or_default(),
        bounds: vec![None; request.fields.len()],
    })
}

/// An error of the decoder: the file is not what the format says.
fn decoder_error(message: &str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Damaged, message).with_source(source)
}
