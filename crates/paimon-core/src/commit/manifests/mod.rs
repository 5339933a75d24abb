//! Manifests, manifest lists and index manifests of a commit.

pub(super) mod compact;
pub(super) mod files;
pub(super) mod hashes;
pub(super) mod index;
pub(super) mod merge;
pub(super) mod missing;
