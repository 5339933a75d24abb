//! The Apache Paimon table format and engine.
//!
//! Layers, lowest first: `spec`, `options`, `predicate`, `mergetree` (pure) <- `io`, `codec`, `format` <-
//! `schema`, `snapshot`, `manifest`, `index`, `deletionvectors` <- `read` <- `write` <- `table`.

pub mod arrow_bridge;
pub mod codec;
pub mod commit;
pub mod compact;
pub mod deletionvectors;
mod error;
pub mod format;
pub mod index;
pub mod io;
pub mod maintenance;
pub mod manifest;
pub mod mergetree;
pub mod options;
pub mod predicate;
pub mod read;
pub mod schema;
pub mod selection;
pub mod snapshot;
pub mod spec;
pub mod table;
pub mod write;

pub use error::{Error, ErrorKind, Result};
