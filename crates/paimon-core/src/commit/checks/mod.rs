//! Whether a commit may build on a snapshot.

pub(super) mod base;
pub(super) mod conflict;
pub(crate) mod layout;
pub(super) mod vectors;
