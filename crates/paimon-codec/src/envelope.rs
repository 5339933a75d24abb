//! What all messages have in common: the version, and the errors of reading them.

use datafusion::error::DataFusionError;
use paimon_core::{Error, Result};
use prost::Message;

/// Version of all messages. A change that readers of this version would misread takes the next one.
pub(crate) const VERSION: u32 = 1;

/// The version and the message.
#[derive(Clone, PartialEq, Message)]
struct Envelope {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(bytes = "vec", tag = "2")]
    message: Vec<u8>,
}

/// A message after its version.
pub(crate) fn sealed(message: &impl Message) -> Vec<u8> {
    let envelope = Envelope {
        version: VERSION,
        message: message.encode_to_vec(),
    };
    envelope.encode_to_vec()
}

/// The message after its version.
///
/// # Errors
/// `Unsupported` for another version, `Damaged` for bytes that are no message.
pub(crate) fn opened<M: Message + Default>(bytes: &[u8]) -> Result<M> {
    let envelope = Envelope::decode(bytes).map_err(malformed)?;
    if envelope.version != VERSION {
        return Err(Error::unsupported(format!(
            "a plan of version {VERSION} is expected, found version {}",
            envelope.version
        )));
    }
    M::decode(envelope.message.as_slice()).map_err(malformed)
}

pub(crate) fn malformed(error: prost::DecodeError) -> Error {
    Error::damaged("the bytes of a plan are no message").with_source(error)
}

/// A part of a message that must be there.
///
/// # Errors
/// `Damaged` naming the part.
pub(crate) fn required<T>(part: Option<T>, what: &str) -> Result<T> {
    part.ok_or_else(|| Error::damaged(format!("a plan lacks its {what}")))
}

/// A number of a message in the width that is needed.
///
/// # Errors
/// `Damaged` naming the number.
pub(crate) fn narrow<A: Copy + std::fmt::Display, B: TryFrom<A>>(
    number: A,
    what: &str,
) -> Result<B> {
    B::try_from(number)
        .map_err(|_| Error::damaged(format!("{what} of a plan is out of range: {number}")))
}

/// A number of things as it travels.
pub(crate) fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// What a plan has that cannot travel.
pub(crate) fn refused(what: impl std::fmt::Display) -> DataFusionError {
    paimon_datafusion::to_datafusion(Error::unsupported(format!(
        "{what} cannot travel to another process"
    )))
}
