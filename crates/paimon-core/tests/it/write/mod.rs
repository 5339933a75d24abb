//! What a table write produces is what a read returns.

mod copies;
mod histories;
mod indexes;
mod publish;
