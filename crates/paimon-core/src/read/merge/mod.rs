//! Merging sorted runs: which rows survive, in order or not, and folding the rows of a key.

pub(super) mod fold;
pub(super) mod keyed;
pub(super) mod ordered;
pub(super) mod section;
