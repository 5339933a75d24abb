//! How messages lie on the wire: as they are, in frames, or behind a login.

use std::borrow::Cow;
use std::io::{Error as IoError, ErrorKind as IoErrorKind, Read, Result as IoResult};

use super::decode::{Reply, decode_reply};
#[cfg(feature = "kerberos")]
use super::sasl::{FrameReader, Session};

/// Largest frame, bytes.
const FRAME_MAX: u32 = 512 << 20;

/// The transport of one connection.
#[derive(Debug)]
pub(super) enum Transport {
    /// Messages one after the other.
    Plain,
    /// Each with its length before it.
    Framed,
    /// After a login.
    #[cfg(feature = "kerberos")]
    Sasl(Box<Session>),
}

impl Transport {
    /// The bytes of a message.
    pub(super) fn packed<'a>(&mut self, message: &'a [u8]) -> IoResult<Cow<'a, [u8]>> {
        match self {
            Self::Plain => Ok(Cow::Borrowed(message)),
            Self::Framed => {
                let length = u32::try_from(message.len()).map_err(IoError::other)?;
                Ok(Cow::Owned([&length.to_be_bytes(), message].concat()))
            }
            #[cfg(feature = "kerberos")]
            Self::Sasl(session) => session.frames(message).map(Cow::Owned),
        }
    }

    /// The next reply.
    pub(super) fn reply(&mut self, mut input: impl Read) -> IoResult<Reply> {
        match self {
            Self::Plain => decode_reply(input),
            Self::Framed => {
                let mut length = [0; 4];
                input.read_exact(&mut length)?;
                let length = u32::from_be_bytes(length);
                if length > FRAME_MAX {
                    return Err(IoError::new(
                        IoErrorKind::InvalidData,
                        format!(
                            "expected a frame of at most {FRAME_MAX} bytes, found length {length}"
                        ),
                    ));
                }
                decode_reply(input.take(u64::from(length)))
            }
            #[cfg(feature = "kerberos")]
            Self::Sasl(session) => decode_reply(FrameReader::new(input, session.as_mut())),
        }
    }
}
