//! Consumers. Source: `ResetConsumerProcedure`, `ClearConsumersProcedure`.

use arrow::array::StringArray;
use arrow::compute::regexp_is_match_scalar;
use datafusion::error::{DataFusionError, Result};
use futures::FutureExt;
use paimon_core::maintenance::{clear_consumers, reset_consumer};
use paimon_core::snapshot::list_consumers;
use paimon_core::table::Table;

use super::arguments::{Arguments, Kind, Parameter, optional, required};
use super::list::{Procedure, nothing_to_check};
use super::plan::table;
use super::rows::{RESULT, done};
use crate::error::to_datafusion;

const TABLE: Parameter = required(&["table"], Kind::Text);

pub(super) const PROCEDURES: &[Procedure] = &[
    Procedure {
        name: "reset_consumer",
        parameters: &[
            TABLE,
            required(&["consumerId", "consumer_id"], Kind::Text),
            optional(&["nextSnapshotId", "next_snapshot_id"], Kind::Number),
        ],
        result: RESULT,
        check: nothing_to_check,
        run: |session, arguments| {
            async move {
                let table = table(session, arguments).await?;
                let next = arguments.number("nextSnapshotId");
                let reset = reset_consumer(&table, arguments.required("consumerId"), next).await;
                reset.map(|()| done()).map_err(to_datafusion)
            }
            .boxed()
        },
    },
    Procedure {
        name: "clear_consumers",
        parameters: &[
            TABLE,
            optional(&["includingConsumers", "including_consumers"], Kind::Text),
            optional(&["excludingConsumers", "excluding_consumers"], Kind::Text),
        ],
        result: RESULT,
        check: |arguments| chosen(arguments, Vec::new()).map(drop),
        run: |session, arguments| {
            async move {
                let table = table(session, arguments).await?;
                let known = ids(&table).await.map_err(to_datafusion)?;
                let chosen = chosen(arguments, known)?;
                let wanted = |id: &str| chosen.iter().any(|c| c == id);
                let cleared = clear_consumers(&table, wanted).await;
                cleared.map(|_| done()).map_err(to_datafusion)
            }
            .boxed()
        },
    },
];

async fn ids(table: &Table) -> paimon_core::Result<Vec<String>> {
    let known = list_consumers(table.io(), &table.metadata_root()?).await?;
    Ok(known.into_iter().map(|(id, _)| id).collect())
}

/// Those of the ids that the patterns choose: all of one that is included (of any without it) but the excluded ones.
fn chosen(arguments: &Arguments, ids: Vec<String>) -> Result<Vec<String>> {
    let included = matches(arguments, "includingConsumers", &ids, true)?;
    let excluded = matches(arguments, "excludingConsumers", &ids, false)?;
    let pairs = ids.into_iter().zip(included.into_iter().zip(excluded));
    Ok(pairs
        .filter(|(_, (included, excluded))| *included && !excluded)
        .map(|(id, _)| id)
        .collect())
}

/// Which ids a regular expression matches from begin to end; `default` for all without one.
fn matches(arguments: &Arguments, name: &str, ids: &[String], default: bool) -> Result<Vec<bool>> {
    let Some(pattern) = arguments.text(name) else {
        return Ok(vec![default; ids.len()]);
    };
    let texts = StringArray::from_iter_values(ids);
    let whole = format!("^(?:{pattern})$");
    let found = regexp_is_match_scalar(&texts, &whole, None).map_err(|e| {
        DataFusionError::Plan(format!(
            "argument {name} of procedure {} must be a regular expression: {e}",
            arguments.procedure()
        ))
    })?;
    Ok((0..found.len()).map(|i| found.value(i)).collect())
}
