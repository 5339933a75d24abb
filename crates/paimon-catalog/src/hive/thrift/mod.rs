//! Thrift's binary protocol over buffered or framed sockets, or after a login with Kerberos, with values that need no generated code.
//!
//! Values keep fields that this client does not know, so that a table that is read, changed and written back loses
//! nothing that a newer metastore or another program stored in it.

mod connection;
mod decode;
mod encode;
#[cfg(feature = "kerberos")]
mod sasl;
mod transport;
mod value;

pub(super) use connection::{CallError, Connection, Endpoint, Timeouts};
#[cfg(feature = "kerberos")]
pub(super) use sasl::{Kerberos, Layer, Login, ServicePrincipal, ticket_owner};
pub(super) use value::{Struct, Value};
