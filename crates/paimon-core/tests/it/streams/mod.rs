//! Streaming reads.

mod golden;
