//! Thrift's binary protocol over buffered or framed sockets, with values that need no generated code.
//!
//! Values keep fields that this client does not know, so that a table that is read, changed and written back loses
//! nothing that a newer metastore or another program stored in it.

mod connection;
mod decode;
mod encode;
mod value;

pub(super) use connection::{CallError, Connection, Endpoint, Timeouts};
pub(super) use value::{Struct, Value};
