//! Plans over Paimon tables as bytes: what one process planned, another one runs.
//!
//! [`PaimonLogicalCodec`] and [`PaimonPhysicalCodec`] are extension codecs of `datafusion-proto`: schedulers such as
//! Ballista take them as they are. DataFusion's own nodes are encoded by DataFusion; these codecs add the tables, scans,
//! writes and statements of `paimon-datafusion`.
//!
//! - A table travels by the name of its catalog, its own name, its schema id, its options and the snapshot it is pinned
//!   to. The receiver opens it through a [`CatalogResolver`]: stores, locks and credentials are the receiver's own, and
//!   none is ever in a plan.
//! - The scans of a physical plan travel with their files: the receiver plans nothing again.
//! - A write travels with the identity of its commit, so a task that is run twice commits once.
//! - What cannot travel (tables that live in one session only) is refused by name when the plan is encoded.
//!
//! Messages carry a version; an unknown one is refused.

mod envelope;
mod function;
mod logical;
mod physical;
mod plan;
mod resolver;
mod statement;
mod wait;
mod wire;
mod write;

pub use logical::PaimonLogicalCodec;
pub use physical::PaimonPhysicalCodec;
pub use plan::{
    decode_logical_plan, decode_physical_plan, encode_logical_plan, encode_physical_plan,
};
pub use resolver::CatalogResolver;
