//! Tags. Source: `CreateTagProcedure`, `ReplaceTagProcedure`, `ExpireTagsProcedure`.

pub(super) mod auto;

use chrono::{Local, TimeZone};
use datafusion::error::Result;
use futures::FutureExt;
use paimon_core::maintenance::{
    NewTag, TagsOlderThan, create_tag, delete_tag, expire_tags, rename_tag, replace_tag,
};
use paimon_core::snapshot::{list_tags, read_tag};
use paimon_core::spec::Snapshot;
use paimon_core::table::Table;
use paimon_core::write::{Clock, SystemClock};
use paimon_core::{Error, ErrorKind};

use super::arguments::{Arguments, Kind, Parameter, optional, required};
use super::list::{Procedure, Running, nothing_to_check};
use super::plan::table;
use super::rows::{Column, RESULT, done, long, texts};
use crate::error::to_datafusion;
use crate::session::PaimonSession;

const TABLE: Parameter = required(&["table"], Kind::Text);
const TAG: Parameter = required(&["tag"], Kind::Text);
const RETAINED: Parameter = optional(&["time_retained"], Kind::Duration);
const SNAPSHOT: Parameter = optional(&["snapshot", "snapshot_id"], Kind::Number);

const TAGGED: &[Column] = &[
    Column::Text("tagName"),
    Column::Long("snapshot"),
    Column::Long("commit_time"),
    Column::Text("watermark"),
];

pub(super) const PROCEDURES: &[Procedure] = &[
    Procedure {
        name: "create_tag",
        parameters: &[TABLE, TAG, SNAPSHOT, RETAINED],
        result: RESULT,
        check: nothing_to_check,
        run: |session, arguments| {
            async move {
                let (table, tag) = (table(session, arguments).await?, new_tag(arguments));
                let made = create_tag(&table, &tag, SystemClock.local_ms()).await;
                made.map(|_| done()).map_err(to_datafusion)
            }
            .boxed()
        },
    },
    Procedure {
        name: "replace_tag",
        parameters: &[TABLE, TAG, SNAPSHOT, RETAINED],
        result: RESULT,
        check: nothing_to_check,
        run: |session, arguments| {
            async move {
                let (table, tag) = (table(session, arguments).await?, new_tag(arguments));
                let made = replace_existing(&table, &tag).await;
                made.map(|()| done()).map_err(to_datafusion)
            }
            .boxed()
        },
    },
    Procedure {
        name: "create_tag_from_timestamp",
        parameters: &[TABLE, TAG, required(&["timestamp"], Kind::Millis), RETAINED],
        result: TAGGED,
        check: nothing_to_check,
        run: from_timestamp,
    },
    Procedure {
        name: "create_tag_from_watermark",
        parameters: &[TABLE, TAG, required(&["watermark"], Kind::Number), RETAINED],
        result: TAGGED,
        check: nothing_to_check,
        run: from_watermark,
    },
    Procedure {
        name: "rename_tag",
        parameters: &[
            TABLE,
            required(&["tag", "tagName", "tag_name"], Kind::Text),
            required(
                &["target_tag", "targetTagName", "target_tag_name"],
                Kind::Text,
            ),
        ],
        result: RESULT,
        check: nothing_to_check,
        run: |session, arguments| {
            async move {
                let table = table(session, arguments).await?;
                let (from, to) = (arguments.required("tag"), arguments.required("target_tag"));
                let renamed = rename_tag(&table, from, to).await;
                renamed.map(|()| done()).map_err(to_datafusion)
            }
            .boxed()
        },
    },
    Procedure {
        name: "delete_tag",
        parameters: &[TABLE, TAG],
        result: RESULT,
        check: nothing_to_check,
        run: |session, arguments| {
            async move {
                let table = table(session, arguments).await?;
                for name in arguments.required("tag").split(',') {
                    let deleted = delete_tag(&table, name.trim()).await;
                    deleted.map_err(to_datafusion)?;
                }
                Ok(done())
            }
            .boxed()
        },
    },
    Procedure {
        name: "expire_tags",
        parameters: &[TABLE, optional(&["older_than"], Kind::Instant)],
        result: &[Column::Text("expired_tags")],
        check: nothing_to_check,
        run: expire,
    },
];

fn new_tag(arguments: &Arguments) -> NewTag {
    let retained = arguments.number("time_retained");
    NewTag {
        name: arguments.required("tag").to_string(),
        snapshot_id: arguments.number("snapshot"),
        time_retained_ms: retained.and_then(|ms| u64::try_from(ms).ok()),
    }
}

/// Gives a tag that is there another snapshot.
///
/// # Errors
/// `NotFound` when there is none of that name, else as [`replace_tag`].
pub(in crate::statement) async fn replace_existing(
    table: &Table,
    tag: &NewTag,
) -> paimon_core::Result<()> {
    let known = read_tag(table.io(), &table.metadata_root()?, &tag.name).await?;
    if known.is_none() {
        let message = format!("tag {:?} does not exist", tag.name);
        return Err(Error::new(ErrorKind::NotFound, message).with("table", table.name()));
    }
    let replaced = replace_tag(table, tag, SystemClock.local_ms()).await;
    replaced.map(|_| ())
}

fn from_timestamp<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let table = table(session, arguments).await?;
        let ms = arguments.number("timestamp").unwrap_or_default();
        let found = first(&table, |s| s.time_millis >= ms).await;
        let snapshot = found.map_err(to_datafusion)?.ok_or_else(|| {
            let message =
                format!("no snapshot was committed at {ms} (epoch milliseconds) or later");
            missing(&table, message)
        })?;
        create_of(&table, arguments, &snapshot).await
    }
    .boxed()
}

fn from_watermark<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let table = table(session, arguments).await?;
        let wanted = arguments.number("watermark").unwrap_or_default();
        let reached = |s: &Snapshot| s.watermark.is_some_and(|w| w != i64::MIN && w >= wanted);
        let found = first(&table, reached).await;
        let snapshot = found.map_err(to_datafusion)?.ok_or_else(|| {
            missing(
                &table,
                format!("no snapshot has a watermark of {wanted} or later"),
            )
        })?;
        create_of(&table, arguments, &snapshot).await
    }
    .boxed()
}

fn missing(table: &Table, message: String) -> datafusion::error::DataFusionError {
    to_datafusion(Error::new(ErrorKind::NotFound, message).with("table", table.name()))
}

/// The first snapshot, there or kept by a tag, that is `wanted`.
async fn first(
    table: &Table,
    wanted: impl Fn(&Snapshot) -> bool,
) -> paimon_core::Result<Option<Snapshot>> {
    let tags = list_tags(table.io(), &table.metadata_root()?).await?;
    let tagged = tags.into_iter().map(|t| t.tag.snapshot);
    let all = table.snapshots().all().await?.into_iter().chain(tagged);
    Ok(all.filter(wanted).min_by_key(|s| s.id))
}

/// Tags a snapshot and tells about it.
async fn create_of(
    table: &Table,
    arguments: &Arguments,
    snapshot: &Snapshot,
) -> Result<Vec<arrow::array::ArrayRef>> {
    let tag = NewTag {
        snapshot_id: Some(snapshot.id),
        ..new_tag(arguments)
    };
    let made = create_tag(table, &tag, SystemClock.local_ms()).await;
    made.map_err(to_datafusion)?;
    Ok(vec![
        texts([Some(&tag.name)]),
        long(Some(snapshot.id)),
        long(Some(snapshot.time_millis)),
        texts([snapshot.watermark.map(|w| w.to_string())]),
    ])
}

fn expire<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let table = table(session, arguments).await?;
        let older_than = arguments.number("older_than").map(|epoch_ms| {
            let local = Local.timestamp_millis_opt(epoch_ms).single();
            TagsOlderThan {
                local_ms: local.map_or(epoch_ms, |t| t.naive_local().and_utc().timestamp_millis()),
                epoch_ms,
            }
        });
        let expired = expire_tags(&table, older_than, SystemClock.local_ms()).await;
        let expired = expired.map_err(to_datafusion)?;
        let shown = match expired.is_empty() {
            true => vec!["No expired tags.".to_string()],
            false => expired,
        };
        Ok(vec![texts(shown.into_iter().map(Some))])
    }
    .boxed()
}
