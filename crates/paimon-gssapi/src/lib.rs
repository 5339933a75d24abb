//! The client's side of Kerberos: credentials, security contexts, wrapped messages.
//!
//! The calls are those of GSSAPI (RFC 2743, RFC 2744) in MIT's `libgssapi_krb5`, which is loaded when it is first needed, so
//! that programs start on machines without it. This crate is the only one of the workspace with unsafe code: `library`
//! loads the functions, `handles` and `context` call them. What is above sees bytes and [`Error`]s only.
//!
//! ```no_run
//! # fn main() -> Result<(), paimon_gssapi::Error> {
//! use paimon_gssapi::{ClientContext, Credentials, Login};
//!
//! let credentials = Credentials::acquire(&Login::TicketCache)?;
//! let mut context = ClientContext::new(credentials, "hive/metastore.example.org@EXAMPLE.ORG")?;
//! let first = context.step(&[])?; // goes to the server, whose answer is the next step's argument
//! # drop(first);
//! # Ok(())
//! # }
//! ```

mod context;
mod error;
mod handles;
mod library;

pub use context::{ClientContext, Unwrapped};
pub use error::{Error, Result};
pub use handles::{Credentials, Login};
