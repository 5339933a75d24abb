//! Another number of buckets. Source: `RescaleProcedure`.

use datafusion::error::{DataFusionError, Result};
use futures::FutureExt;
use paimon_core::commit::CommitContext;
use paimon_core::maintenance::RescaleBuckets;

use super::super::arguments::{Arguments, Kind, optional, required};
use super::super::list::{Procedure, Running};
use super::super::plan::table;
use super::super::rows::{RESULT, done};
use crate::error::to_datafusion;
use crate::session::PaimonSession;

pub(in crate::statement::procedure) const PROCEDURES: &[Procedure] = &[Procedure {
    name: "rescale",
    parameters: &[
        required(&["table"], Kind::Text),
        optional(&["bucket_num"], Kind::Number),
        optional(&["partitions", "partition"], Kind::Text),
        optional(&["where"], Kind::Text),
    ],
    result: RESULT,
    check: |arguments| {
        bucket_num(arguments)?;
        super::check_choice(arguments)
    },
    run: rescale,
}];

fn bucket_num(arguments: &Arguments) -> Result<Option<i32>> {
    let Some(number) = arguments.number("bucket_num") else {
        return Ok(None);
    };
    match i32::try_from(number) {
        Ok(number) if number >= 1 => Ok(Some(number)),
        _ => Err(DataFusionError::Plan(format!(
            "argument bucket_num of procedure rescale must be a positive INT, found {number}"
        ))),
    }
}

fn rescale<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let table = table(session, arguments).await?;
        let chosen = super::chosen(session, &table, arguments).await?;
        // without any partition all of them would be rewritten
        if chosen.as_ref().is_some_and(Vec::is_empty) {
            return Ok(done());
        }
        let rescale = RescaleBuckets {
            bucket_num: bucket_num(arguments)?,
            partitions: chosen.unwrap_or_default(),
        };
        let made = rescale.run(&table, &CommitContext::default()).await;
        made.map(|_| done())
            .map_err(|e| to_datafusion(e.with_default("table", table.name())))
    }
    .boxed()
}
