//! SQL over Apache Paimon tables on DataFusion.
//!
//! [`PaimonSession`] is the one front door: it holds a DataFusion session with Paimon catalogs and speaks Spark's and
//! Flink's spellings for time travel, options hints and the informational statements. Tables are served by
//! [`PaimonTableProvider`]; filters reach the engine through [`filter`].

mod analyze;
mod catalog;
mod changes;
mod error;
pub mod filter;
mod format_table;
mod function;
mod leaf;
mod optimizer;
mod parse;
mod planner;
mod provider;
pub mod scan;
mod session;
mod sink;
mod statement;
mod store;
mod stream;
mod text;
mod zone;

/// Nodes of plans and what they are made of, for whoever carries plans to other processes.
pub mod nodes {
    pub use crate::catalog::ObjectReference;
    pub use crate::changes::{ChangePart, ChangesExec, ChangesProvider, Shape};
    pub use crate::provider::ReadOptimizedProvider;
    pub use crate::scan::{
        CarriedSection, CoreScanExec, MergeParts, MergeScanExec, NumberedFile, Place,
        PositionScanExec, Share, TableFileSource, TargetFile, TargetProvider, Wanted,
    };
    pub use crate::session::CarriedSettings;
    pub use crate::sink::rows::{Operation, RowsParts, RowsSink, RowsTarget};
    pub use crate::sink::{
        Creation, NewTableParts, NewTableTarget, PaimonSink, SinkMode, SinkParts, SinkTarget,
    };
    pub use crate::statement::{Assign, CheckNewer, Effect, EffectExec, StatementOrigin};
    pub use crate::stream::{StreamScanExec, StreamSource};
    pub use crate::zone::ZoneCast;
}

pub use catalog::{PaimonCatalogProvider, PaimonSchemaProvider};
pub use error::{error_message, paimon_error, to_datafusion};
pub use parse::{is_complete, redact_sql, split_statements};
pub use provider::{PaimonTableProvider, SystemTableProvider};
pub use session::{CommitIdentity, OverwriteMode, PaimonSession, SessionSettings};
pub use sink::finish_cleanups;
pub use text::{nested_options, with_text_keys};
