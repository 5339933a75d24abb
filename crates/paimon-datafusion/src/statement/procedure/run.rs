//! The procedures.

use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::Ident;
use paimon_core::maintenance::{
    ExpireSnapshots, NewTag, RemoveOrphanFiles, RollbackTarget, create_tag, delete_tag, rollback_to,
};
use paimon_core::options::parse_duration_ms;
use paimon_core::table::Table;
use paimon_core::write::{Clock, SystemClock};

use super::Call;
use super::arguments::Arguments;
use crate::error::to_datafusion;
use crate::provider::PaimonTableProvider;
use crate::session::PaimonSession;
use crate::statement::result::{long_row, true_row};

/// Runs a procedure and gives its rows.
pub(crate) async fn run(session: &PaimonSession, call: &Call) -> Result<DataFrame> {
    match call.procedure()?.as_str() {
        "create_tag" => new_tag(session, call).await,
        "delete_tag" => drop_tags(session, call).await,
        "rollback" | "rollback_to" => rollback(session, call).await,
        "expire_snapshots" => expire(session, call).await,
        "remove_orphan_files" => orphans(session, call).await,
        other => Err(to_datafusion(
            paimon_core::Error::unsupported("this procedure is not supported yet")
                .with("procedure", other),
        )),
    }
}

/// The table that a text such as `db.t` names.
async fn table(session: &PaimonSession, name: &str) -> Result<Table> {
    let parts: Vec<Ident> = name
        .split('.')
        .map(|p| Ident::with_quote('"', p.trim().trim_matches('`')))
        .collect();
    let provider = session.table(&parts).await?;
    match provider.downcast_ref::<PaimonTableProvider>() {
        Some(paimon) => Ok(paimon.table().clone()),
        None => Err(DataFusionError::Plan(format!("{name} is no Paimon table"))),
    }
}

async fn new_tag(session: &PaimonSession, call: &Call) -> Result<DataFrame> {
    let arguments = Arguments::new(
        call,
        &[
            &["table"],
            &["tag"],
            &["snapshot", "snapshot_id"],
            &["time_retained"],
        ],
    )?;
    let table = table(session, &arguments.required("table")?).await?;
    let retained = arguments.text("time_retained")?;
    let retained = retained.as_deref().map(parse_duration_ms).transpose();
    let tag = NewTag {
        name: arguments.required("tag")?,
        snapshot_id: arguments.number("snapshot")?,
        time_retained_ms: retained.map_err(to_datafusion)?,
    };
    create_tag(&table, &tag, SystemClock.local_ms())
        .await
        .map_err(to_datafusion)?;
    true_row(session)
}

/// One tag or several, separated by commas.
async fn drop_tags(session: &PaimonSession, call: &Call) -> Result<DataFrame> {
    let arguments = Arguments::new(call, &[&["table"], &["tag"]])?;
    let table = table(session, &arguments.required("table")?).await?;
    for name in arguments.required("tag")?.split(',') {
        delete_tag(&table, name.trim())
            .await
            .map_err(to_datafusion)?;
    }
    true_row(session)
}

/// To a snapshot or a tag; `version` is either.
async fn rollback(session: &PaimonSession, call: &Call) -> Result<DataFrame> {
    let known: &[&[&str]] = if call.procedure()? == "rollback_to" {
        &[
            &["table"],
            &["tag"],
            &["snapshot", "snapshot_id"],
            &["version"],
        ]
    } else {
        &[
            &["table"],
            &["version"],
            &["snapshot", "snapshot_id"],
            &["tag"],
        ]
    };
    let arguments = Arguments::new(call, known)?;
    let table = table(session, &arguments.required("table")?).await?;
    let by_version = arguments.text("version")?.map(|v| match v.parse() {
        Ok(id) => RollbackTarget::Snapshot(id),
        Err(_) => RollbackTarget::Tag(v),
    });
    let by_id = arguments.number("snapshot")?.map(RollbackTarget::Snapshot);
    let by_tag = arguments.text("tag")?.map(RollbackTarget::Tag);
    let mut targets: Vec<_> = by_version.into_iter().chain(by_id).chain(by_tag).collect();
    let (Some(target), true) = (targets.pop(), targets.is_empty()) else {
        return Err(DataFusionError::Plan(
            "rollback needs one of snapshot, tag and version".into(),
        ));
    };
    let before = table.snapshots().latest_id().await.map_err(to_datafusion)?;
    let now = rollback_to(&table, &target).await.map_err(to_datafusion)?;
    long_row(
        session,
        [
            ("previous_snapshot_id", before.unwrap_or(0)),
            ("current_snapshot_id", now),
        ],
    )
}

async fn expire(session: &PaimonSession, call: &Call) -> Result<DataFrame> {
    let arguments = Arguments::new(
        call,
        &[
            &["table"],
            &["retain_max"],
            &["retain_min"],
            &["older_than"],
            &["max_deletes"],
        ],
    )?;
    let table = table(session, &arguments.required("table")?).await?;
    let request = ExpireSnapshots {
        retain_max: arguments.number("retain_max")?,
        retain_min: arguments.number("retain_min")?,
        older_than_ms: instant(session, &arguments, "older_than")?,
        max_deletes: arguments.number("max_deletes")?,
        dry_run: false,
    };
    let expired = request
        .run(&table, SystemClock.epoch_ms())
        .await
        .map_err(to_datafusion)?;
    let count = i64::try_from(expired.snapshots.len()).unwrap_or(i64::MAX);
    long_row(session, [("deleted_snapshots_count", count)])
}

async fn orphans(session: &PaimonSession, call: &Call) -> Result<DataFrame> {
    let known: &[&[&str]] = &[
        &["table"],
        &["older_than"],
        &["dry_run"],
        &["parallelism"],
        &["mode"],
    ];
    let arguments = Arguments::new(call, known)?;
    let table = table(session, &arguments.required("table")?).await?;
    let request = RemoveOrphanFiles {
        older_than_ms: instant(session, &arguments, "older_than")?,
        dry_run: arguments.boolean("dry_run")?,
    };
    let removed = request
        .run(&table, SystemClock.epoch_ms())
        .await
        .map_err(to_datafusion)?;
    let count = i64::try_from(removed.files.len()).unwrap_or(i64::MAX);
    let bytes = i64::try_from(removed.bytes).unwrap_or(i64::MAX);
    long_row(
        session,
        [
            ("deletedFileCount", count),
            ("deletedFileTotalLenInBytes", bytes),
        ],
    )
}

/// Epoch milliseconds of a text in the session's time zone.
fn instant(session: &PaimonSession, arguments: &Arguments, name: &str) -> Result<Option<i64>> {
    let Some(text) = arguments.text(name)? else {
        return Ok(None);
    };
    crate::session::instant_ms(session, &text).map(Some)
}
