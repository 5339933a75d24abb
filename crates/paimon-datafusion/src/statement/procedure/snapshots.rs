//! Going back to snapshots, and expiring them and their changelogs.
//!
//! Source: `RollbackProcedure`, `RollbackToAsLatestProcedure`, `RollbackToTimestampProcedure`, `RepairEarliestSnapshotProcedure`,
//! `ExpireSnapshotsProcedure`, `ExpireChangelogsProcedure`, `FileStoreTable.rollbackSchema`.

use datafusion::error::{DataFusionError, Result};
use futures::FutureExt;
use paimon_core::commit::CommitContext;
use paimon_core::maintenance::{
    ChangelogLimits, ExpireChangelogs, ExpireSnapshots, RollbackTarget, repair_earliest_snapshot,
    rollback_as_latest, rollback_to,
};
use paimon_core::spec::Snapshot;
use paimon_core::table::Table;
use paimon_core::write::{Clock, SystemClock};
use paimon_core::{Error, ErrorKind};

use super::arguments::{Arguments, Kind, Parameter, optional, required};
use super::list::{Procedure, Running, nothing_to_check};
use super::plan::{name_parts, table, table_with};
use super::rows::{Column, count, long};
use crate::error::to_datafusion;
use crate::session::PaimonSession;
use crate::statement::ddl::target as target_of;

const TABLE: Parameter = required(&["table"], Kind::Text);
const VERSION: Parameter = optional(&["version"], Kind::Text);
const SNAPSHOT: Parameter = optional(&["snapshot", "snapshot_id"], Kind::Number);
const TAG: Parameter = optional(&["tag"], Kind::Text);
const RETAIN_MAX: Parameter = optional(&["retain_max"], Kind::Number);
const RETAIN_MIN: Parameter = optional(&["retain_min"], Kind::Number);
const OLDER_THAN: Parameter = optional(&["older_than"], Kind::Instant);
const MAX_DELETES: Parameter = optional(&["max_deletes"], Kind::Number);

const ROLLED_BACK: &[Column] = &[
    Column::Long("previous_snapshot_id"),
    Column::Long("current_snapshot_id"),
];

pub(super) const PROCEDURES: &[Procedure] = &[
    Procedure {
        name: "rollback",
        parameters: &[TABLE, VERSION, SNAPSHOT, TAG],
        result: ROLLED_BACK,
        check: |arguments| target(arguments).map(drop),
        run: rollback,
    },
    Procedure {
        name: "rollback_to",
        parameters: &[TABLE, TAG, SNAPSHOT, VERSION],
        result: ROLLED_BACK,
        check: |arguments| target(arguments).map(drop),
        run: rollback,
    },
    Procedure {
        name: "rollback_to_as_latest",
        parameters: &[TABLE, TAG, SNAPSHOT, VERSION],
        result: &[
            Column::Long("previous_snapshot_id"),
            Column::Long("rolled_back_snapshot_id"),
            Column::Long("current_snapshot_id"),
        ],
        check: |arguments| target(arguments).map(drop),
        run: |session, arguments| {
            async move {
                let table = table(session, arguments).await?;
                let target = target(arguments)?;
                let done = rollback_as_latest(&table, &target, CommitContext::default()).await;
                let done =
                    done.map_err(|e| to_datafusion(e.with_default("table", table.name())))?;
                let ids = [done.previous, done.target, done.current];
                Ok(ids.into_iter().map(|id| long(Some(id))).collect())
            }
            .boxed()
        },
    },
    Procedure {
        name: "rollback_schema",
        parameters: &[TABLE, required(&["schema_id", "schema"], Kind::Number)],
        result: &[
            Column::Long("previous_schema_id"),
            Column::Long("current_schema_id"),
        ],
        check: nothing_to_check,
        run: |session, arguments| {
            async move {
                let (catalog, identifier) =
                    target_of(session, &name_parts(arguments.required("table")))?;
                let wanted = arguments.number("schema_id").unwrap_or_default();
                let done = async {
                    let before = catalog.get_table(&identifier).await?.schema().id;
                    catalog.rollback_schema(&identifier, wanted).await?;
                    Ok(vec![long(Some(before)), long(Some(wanted))])
                };
                done.await
                    .map_err(|e: Error| to_datafusion(e.with_default("table", &identifier)))
            }
            .boxed()
        },
    },
    Procedure {
        name: "rollback_to_timestamp",
        parameters: &[TABLE, required(&["timestamp"], Kind::Millis)],
        result: ROLLED_BACK,
        check: nothing_to_check,
        run: |session, arguments| {
            async move {
                let table = table(session, arguments).await?;
                let ms = arguments.number("timestamp").unwrap_or_default();
                let found = table.snapshots().at_or_before(ms).await;
                back_to_found(&table, found, &format!("{ms} (epoch milliseconds)")).await
            }
            .boxed()
        },
    },
    Procedure {
        name: "rollback_to_watermark",
        parameters: &[TABLE, required(&["watermark"], Kind::Number)],
        result: ROLLED_BACK,
        check: nothing_to_check,
        run: |session, arguments| {
            async move {
                let table = table(session, arguments).await?;
                let watermark = arguments.number("watermark").unwrap_or_default();
                let found = table.snapshots().last_with_watermark(watermark).await;
                back_to_found(&table, found, &format!("watermark {watermark}")).await
            }
            .boxed()
        },
    },
    Procedure {
        name: "repair_earliest_snapshot",
        parameters: &[TABLE, required(&["snapshot_id", "snapshot"], Kind::Number)],
        result: &[
            Column::Long("previous_earliest_snapshot_id"),
            Column::Long("current_earliest_snapshot_id"),
        ],
        check: nothing_to_check,
        run: |session, arguments| {
            async move {
                let table = table(session, arguments).await?;
                let id = arguments.number("snapshot_id").unwrap_or_default();
                let previous = repair_earliest_snapshot(&table, id).await;
                let previous =
                    previous.map_err(|e| to_datafusion(e.with_default("table", table.name())))?;
                Ok(vec![long(Some(previous)), long(Some(id))])
            }
            .boxed()
        },
    },
    Procedure {
        name: "expire_snapshots",
        parameters: &[
            TABLE,
            RETAIN_MAX,
            RETAIN_MIN,
            OLDER_THAN,
            MAX_DELETES,
            optional(&["options"], Kind::Options),
        ],
        result: &[Column::Long("deleted_snapshots_count")],
        check: nothing_to_check,
        run: expire,
    },
    Procedure {
        name: "expire_changelogs",
        parameters: &[
            TABLE,
            RETAIN_MAX,
            RETAIN_MIN,
            OLDER_THAN,
            MAX_DELETES,
            optional(&["delete_all"], Kind::Boolean),
        ],
        result: &[Column::Long("deleted_changelogs_count")],
        check: nothing_to_check,
        run: expire_changelogs,
    },
];

/// Where a rollback goes: to a snapshot or a tag; `version` is either.
fn target(arguments: &Arguments) -> Result<RollbackTarget> {
    let by_version = arguments.text("version").map(|v| match v.parse() {
        Ok(id) => RollbackTarget::Snapshot(id),
        Err(_) => RollbackTarget::Tag(v.to_string()),
    });
    let by_id = arguments.number("snapshot").map(RollbackTarget::Snapshot);
    let by_tag = arguments.text("tag");
    let by_tag = by_tag.map(|name| RollbackTarget::Tag(name.to_string()));
    let mut targets: Vec<_> = by_version.into_iter().chain(by_id).chain(by_tag).collect();
    match (targets.pop(), targets.is_empty()) {
        (Some(target), true) => Ok(target),
        _ => Err(DataFusionError::Plan(format!(
            "{} needs one of snapshot, tag and version",
            arguments.procedure()
        ))),
    }
}

fn rollback<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let table = table(session, arguments).await?;
        back_to(&table, &target(arguments)?).await
    }
    .boxed()
}

async fn back_to_found(
    table: &Table,
    found: paimon_core::Result<Option<Snapshot>>,
    wanted: &str,
) -> Result<Vec<arrow::array::ArrayRef>> {
    let Some(found) = found.map_err(to_datafusion)? else {
        let message = format!("there is no snapshot at or before {wanted}");
        let error = Error::new(ErrorKind::NotFound, message).with("table", table.name());
        return Err(to_datafusion(error));
    };
    back_to(table, &RollbackTarget::Snapshot(found.id)).await
}

async fn back_to(table: &Table, target: &RollbackTarget) -> Result<Vec<arrow::array::ArrayRef>> {
    let before = table.snapshots().latest_id().await.map_err(to_datafusion)?;
    let now = rollback_to(table, target).await.map_err(to_datafusion)?;
    Ok(vec![long(before), long(Some(now))])
}

fn expire<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let table = table_with(session, arguments, arguments.options("options")).await?;
        let request = ExpireSnapshots {
            retain_max: arguments.number("retain_max"),
            retain_min: arguments.number("retain_min"),
            older_than_ms: arguments.number("older_than"),
            max_deletes: arguments.number("max_deletes"),
            dry_run: false,
        };
        let expired = request.run(&table, SystemClock.epoch_ms()).await;
        let expired = expired.map_err(to_datafusion)?;
        Ok(vec![count(expired.snapshots.len())])
    }
    .boxed()
}

fn expire_changelogs<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let table = table(session, arguments).await?;
        let limits = ChangelogLimits {
            retain_max: arguments.number("retain_max"),
            retain_min: arguments.number("retain_min"),
            older_than_ms: arguments.number("older_than"),
            max_deletes: arguments.number("max_deletes"),
            delete_all: arguments.boolean("delete_all"),
        };
        let now_ms = SystemClock.epoch_ms();
        let expired = ExpireChangelogs.run_within(&table, &limits, now_ms).await;
        Ok(vec![count(expired.map_err(to_datafusion)?.len())])
    }
    .boxed()
}
