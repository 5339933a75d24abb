//! What a table write produces is what a read returns.

pub(crate) mod copies;
mod histories;
pub(crate) mod publish;
