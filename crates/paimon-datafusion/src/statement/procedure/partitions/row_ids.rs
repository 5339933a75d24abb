//! Row ids of data evolution given anew. Source: `ReassignRowIdProcedure`.

use futures::FutureExt;
use paimon_core::Error;
use paimon_core::commit::CommitContext;
use paimon_core::maintenance::reassign_row_ids;

use super::super::arguments::{Arguments, Kind, optional, required};
use super::super::list::{Procedure, Running, nothing_to_check};
use super::super::plan::table;
use super::super::rows::{Column, texts};
use crate::error::to_datafusion;
use crate::session::PaimonSession;

pub(in crate::statement::procedure) const PROCEDURES: &[Procedure] = &[Procedure {
    name: "reassign_row_id",
    parameters: &[
        required(&["table"], Kind::Text),
        optional(&["partitions"], Kind::Text),
    ],
    result: &[Column::Text("result")],
    check: nothing_to_check,
    run: reassign,
}];

fn reassign<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let table = table(session, arguments).await?;
        let specs = super::chosen(session, &table, arguments).await?;
        let text = async {
            let done = reassign_row_ids(&table, specs.as_deref(), CommitContext::default()).await?;
            let name = arguments.required("table");
            if let Some(done) = done {
                return Ok(format!(
                    "Success. Reassigned row IDs for table '{name}': snapshot {} -> {}, nextRowId {} -> {}, files={}, rows={}, \
                     indexFiles={}.",
                    done.snapshot_id - 1,
                    done.snapshot_id,
                    done.first_row_id,
                    done.next_row_id,
                    done.files,
                    done.next_row_id - done.first_row_id,
                    done.index_files
                ));
            }
            let latest = table.snapshots().latest().await?;
            let latest = latest
                .ok_or_else(|| Error::invalid("row ids of an empty table cannot be given anew"))?;
            let reason = match table.schema().partition_keys.is_empty() {
                true => "table is not partitioned",
                false => "no partition requires row-id reassignment",
            };
            Ok(format!(
                "Skipped. Row IDs for table '{name}' were not reassigned because {reason}: snapshot {} unchanged, nextRowId={}.",
                latest.id,
                latest.next_row_id.unwrap_or(0)
            ))
        };
        let text: paimon_core::Result<String> = text.await;
        let text = text.map_err(|e| to_datafusion(e.with_default("table", table.name())))?;
        Ok(vec![texts([Some(text)])])
    }
    .boxed()
}
