//! What a table write produces is what a read returns.

pub(crate) mod copies;
mod histories;
mod indexes;
pub(crate) mod publish;
mod spill;
