//! Partitions whose time is over. Source: `ExpirePartitionsProcedure`.

use futures::FutureExt;
use paimon_core::commit::CommitContext;
use paimon_core::maintenance::ExpirePartitions;

use super::arguments::{Arguments, Kind, optional, required};
use super::list::{Procedure, Running, nothing_to_check};
use super::plan::table_with;
use super::rows::{Column, texts};
use crate::error::to_datafusion;
use crate::session::PaimonSession;

pub(super) const PROCEDURES: &[Procedure] = &[Procedure {
    name: "expire_partitions",
    parameters: &[
        required(&["table"], Kind::Text),
        optional(&["expiration_time"], Kind::Text),
        optional(&["timestamp_formatter"], Kind::Text),
        optional(&["timestamp_pattern"], Kind::Text),
        optional(&["expire_strategy"], Kind::Text),
        optional(&["max_expires"], Kind::Number),
        optional(&["options"], Kind::Options),
    ],
    result: &[Column::Text("expired_partitions")],
    check: nothing_to_check,
    run: expire,
}];

/// Table options by the argument that sets them.
const OPTIONS: &[(&str, &str)] = &[
    ("expiration_time", "partition.expiration-time"),
    ("timestamp_formatter", "partition.timestamp-formatter"),
    ("timestamp_pattern", "partition.timestamp-pattern"),
    ("expire_strategy", "partition.expiration-strategy"),
];

fn expire<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let mut options = arguments.options("options");
        for (argument, option) in OPTIONS {
            if let Some(value) = arguments.text(argument) {
                options.push(((*option).into(), value.into()));
            }
        }
        if let Some(count) = arguments.number("max_expires") {
            options.push(("partition.expiration-max-num".into(), count.to_string()));
        }
        let table = table_with(session, arguments, options).await?;
        let expire = ExpirePartitions::default();
        let expired = expire.run(&table, &CommitContext::default()).await;
        let expired = expired.map_err(|e| to_datafusion(e.with_default("table", table.name())))?;
        let names = match expired.is_empty() {
            true => vec!["No expired partitions.".to_string()],
            false => expired.into_iter().map(|p| p.name).collect(),
        };
        Ok(vec![texts(names.into_iter().map(Some))])
    }
    .boxed()
}
