//! File indexes of files that are there. Source: `RewriteFileIndexProcedure`.

use std::thread::available_parallelism;

use futures::FutureExt;
use paimon_core::commit::CommitContext;
use paimon_core::maintenance::RewriteFileIndexes;

use super::super::arguments::{Arguments, Kind, optional, required};
use super::super::list::{Procedure, Running};
use super::super::plan::table;
use super::super::rows::{Column, count};
use crate::error::to_datafusion;
use crate::session::PaimonSession;

pub(in crate::statement::procedure) const PROCEDURES: &[Procedure] = &[Procedure {
    name: "rewrite_file_index",
    parameters: &[
        required(&["table"], Kind::Text),
        optional(&["where"], Kind::Text),
        optional(&["partitions"], Kind::Text),
    ],
    result: &[
        Column::Long("written_partitions"),
        Column::Long("written_indexes"),
    ],
    check: super::check_choice,
    run: rewrite,
}];

fn rewrite<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let table = table(session, arguments).await?;
        let rewrite = RewriteFileIndexes {
            partitions: super::chosen(session, &table, arguments).await?,
            parallelism: available_parallelism().map_or(1, usize::from),
        };
        let done = rewrite.run(&table, &CommitContext::default()).await;
        let done = done.map_err(to_datafusion)?;
        Ok(vec![count(done.partitions), count(done.files)])
    }
    .boxed()
}
