//! Merging the records of a primary-key table (`org.apache.paimon.mergetree`).

pub mod function;
