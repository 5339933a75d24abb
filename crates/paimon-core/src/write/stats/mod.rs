//! Column statistics of the files being written.
//!
//! Source: `StatsCollectorFactories`, `SimpleStatsCollector`, `ParquetSimpleStatsExtractor`, `SimpleStatsConverter`.

mod collector;
mod extremes;
mod mode;
mod truncate;

pub use collector::{StatsCollector, empty_stats};
pub use mode::{KEY_STATS_MODE, StatsMode, StatsModes};
