//! The messages of what plans are made of, and the way from and to the engine's own values.

pub(crate) mod file;
pub(crate) mod identity;
pub(crate) mod predicate;
pub(crate) mod read;
pub(crate) mod split;
pub(crate) mod table;
