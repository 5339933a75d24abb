//! Tags that are due by the options of a table. Source: `TriggerTagAutomaticCreationProcedure`.

use futures::FutureExt;
use paimon_core::commit::CommitContext;
use paimon_core::maintenance::trigger_tags;

use super::super::arguments::{Kind, required};
use super::super::list::{Procedure, nothing_to_check};
use super::super::plan::table;
use super::super::rows::{RESULT, done};
use crate::error::to_datafusion;

pub(in crate::statement::procedure) const PROCEDURES: &[Procedure] = &[Procedure {
    name: "trigger_tag_automatic_creation",
    parameters: &[required(&["table"], Kind::Text)],
    result: RESULT,
    check: nothing_to_check,
    run: |session, arguments| {
        async move {
            let table = table(session, arguments).await?;
            let made = trigger_tags(&table, &CommitContext::default()).await;
            made.map(|_| done())
                .map_err(|e| to_datafusion(e.with_default("table", table.name())))
        }
        .boxed()
    },
}];
