//! SASL before and around Thrift's messages, with Kerberos as its only mechanism.
//!
//! ```text
//! negotiation, both ways:  status (1 byte)  length (4)  payload
//! afterwards, both ways:   length (4)  a part of a message, wrapped when a layer was agreed on
//! ```
//!
//! Java: Thrift's `TSaslClientTransport`, Hive's `HadoopThriftAuthBridge`. What is said is decided by values without I/O:
//! [`negotiation`] for the framing, [`mechanism`] for GSSAPI (RFC 4752), [`layer`] for messages; [`kerberos`] brings the
//! contexts of the system's library.

mod kerberos;
mod layer;
mod mechanism;
mod negotiation;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::io::{Error as IoError, ErrorKind as IoErrorKind, Read, Result as IoResult, Write};

use paimon_gssapi::ClientContext;

pub(in crate::hive) use self::kerberos::{Kerberos, Login, ServicePrincipal, ticket_owner};
pub(super) use self::layer::FrameReader;
use self::layer::Secured;
pub(in crate::hive) use self::mechanism::Layer;
use self::mechanism::{Gssapi, SecurityContext};
use self::negotiation::{Negotiation, header};

/// A connection that both sides have authenticated.
pub(super) type Session = Secured<ClientContext>;

/// Authenticates over a connection that nothing was sent on.
///
/// # Errors
/// When tickets, the server or the connection fail; `PermissionDenied` when one side refuses the other.
pub(super) fn authenticate(
    kerberos: &Kerberos,
    host: &str,
    stream: impl Read + Write,
) -> IoResult<Session> {
    let context = kerberos.context(host).map_err(denied)?;
    negotiate(Gssapi::new(context, kerberos.layers.clone()), stream)
}

fn negotiate<C: SecurityContext>(
    mechanism: Gssapi<C>,
    mut stream: impl Read + Write,
) -> IoResult<Secured<C>> {
    let (mut negotiation, first) = Negotiation::begin(mechanism)?;
    stream.write_all(&first)?;
    loop {
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes)?;
        let (status, length) = header(bytes)?;
        let payload = exactly(&mut stream, length)?;
        match negotiation.receive(status, &payload)? {
            Some(answer) => stream.write_all(&answer)?,
            None => return negotiation.into_mechanism().into_secured(),
        }
    }
}

/// So many bytes, for which memory is taken as they come.
fn exactly(input: &mut impl Read, length: u32) -> IoResult<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = input
        .by_ref()
        .take(u64::from(length))
        .read_to_end(&mut bytes)?;
    match u32::try_from(read) {
        Ok(read) if read == length => Ok(bytes),
        _ => Err(IoErrorKind::UnexpectedEof.into()),
    }
}

fn denied(text: impl std::fmt::Display) -> IoError {
    IoError::new(IoErrorKind::PermissionDenied, text.to_string())
}

fn nonsense(text: impl Into<String>) -> IoError {
    IoError::new(IoErrorKind::InvalidData, text.into())
}
