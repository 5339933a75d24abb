//! Compaction of files and of manifests. Source: `CompactProcedure`, `CompactManifestProcedure`.

use datafusion::error::{DataFusionError, Result};
use futures::FutureExt;
use paimon_core::Error;
use paimon_core::commit::CommitContext;
use paimon_core::compact::OrderStrategy;
use paimon_core::maintenance::compact_manifests;
use paimon_core::options::parse_duration_ms;
use paimon_core::table::Table;
use paimon_core::write::{Clock, SystemClock};

use super::arguments::{Arguments, Kind, Parameter, optional, required};
use super::list::{Procedure, Running};
use super::partitions;
use super::plan::table_with;
use super::rows::{RESULT, done};
use crate::error::to_datafusion;
use crate::session::PaimonSession;

const TABLE: Parameter = required(&["table"], Kind::Text);
const OPTIONS: Parameter = optional(&["options"], Kind::Options);

pub(super) const PROCEDURES: &[Procedure] = &[
    Procedure {
        name: "compact",
        parameters: &[
            TABLE,
            optional(&["partitions"], Kind::Text),
            optional(&["compact_strategy"], Kind::Text),
            optional(&["order_strategy"], Kind::Text),
            optional(&["order_by"], Kind::Text),
            optional(&["where"], Kind::Text),
            OPTIONS,
            optional(&["partition_idle_time"], Kind::Text),
            optional(&["buckets"], Kind::Text),
        ],
        result: RESULT,
        check: check_compact,
        run: compact,
    },
    Procedure {
        name: "materialize_deletion_vectors",
        parameters: &[
            TABLE,
            optional(&["partitions"], Kind::Text),
            OPTIONS,
            optional(&["where"], Kind::Text),
        ],
        result: RESULT,
        check: |arguments| partitions::check_choice(arguments),
        run: materialize,
    },
    Procedure {
        name: "compact_manifest",
        parameters: &[
            TABLE,
            OPTIONS,
            optional(&["dry_run"], Kind::Boolean),
            optional(&["manifest_sort_enabled"], Kind::Boolean),
            optional(&["manifest_sort_partition_field"], Kind::Text),
            optional(&["manifest_sort_max_rewrite_size"], Kind::Text),
        ],
        result: RESULT,
        check: |arguments| {
            for switch in ["dry_run", "manifest_sort_enabled"] {
                if arguments.boolean(switch) {
                    arguments.refuse(&[switch])?;
                }
            }
            arguments.refuse(&[
                "manifest_sort_partition_field",
                "manifest_sort_max_rewrite_size",
            ])
        },
        run: |session, arguments| {
            async move {
                let table = table_with(session, arguments, arguments.options("options")).await?;
                let made = compact_manifests(&table, CommitContext::default()).await;
                made.map(|_| done())
                    .map_err(|e| to_datafusion(e.with_default("table", table.name())))
            }
            .boxed()
        },
    },
];

fn check_compact(arguments: &Arguments) -> Result<()> {
    idle_ms(arguments)?;
    bucket_ranges(arguments)?;
    partitions::check_choice(arguments)?;
    if order_of(arguments)?.is_some() && !is_full(arguments)? {
        return Err(DataFusionError::Plan(
            "a compaction with an order_strategy rewrites everything: compact_strategy cannot be minor".into(),
        ));
    }
    for alone in ["partition_idle_time", "buckets"] {
        if order_of(arguments)?.is_some() && arguments.text(alone).is_some() {
            return Err(DataFusionError::Plan(format!(
                "a compaction with an order_strategy takes no {alone}"
            )));
        }
    }
    is_full(arguments).map(drop)
}

/// The argument `partition_idle_time`, milliseconds.
fn idle_ms(arguments: &Arguments) -> Result<Option<i64>> {
    let Some(text) = arguments.text("partition_idle_time") else {
        return Ok(None);
    };
    let duration = parse_duration_ms(text)
        .map_err(|e| to_datafusion(e.with("argument", "partition_idle_time")))?;
    Ok(Some(i64::try_from(duration).unwrap_or(i64::MAX)))
}

/// The argument `buckets`: `0-3,7`, first and last numbers.
fn bucket_ranges(arguments: &Arguments) -> Result<Option<Vec<(i32, i32)>>> {
    let Some(text) = arguments.text("buckets") else {
        return Ok(None);
    };
    let wrong = || {
        DataFusionError::Plan(format!(
            "argument buckets of procedure {} must be numbers and ranges such as `0-3,7`, found {text:?}",
            arguments.procedure()
        ))
    };
    let number = |text: &str| text.trim().parse::<i32>().map_err(|_| wrong());
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        match 0 <= first && first <= last {
            true => Ok((first, last)),
            false => Err(wrong()),
        }
    };
    text.split(',').map(range).collect::<Result<_>>().map(Some)
}

/// The buckets of a table that ranges name. Source: `ParameterUtils.parseIntegerRanges`.
///
/// # Errors
/// `Unsupported` for a table without fixed buckets, `InvalidInput` for a bucket that it does not have.
fn buckets_of(table: &Table, ranges: &[(i32, i32)]) -> paimon_core::Result<Vec<i32>> {
    let count = table.options().bucket;
    if count < 1 {
        return Err(
            Error::unsupported("buckets are chosen of tables with a fixed number of them")
                .with("option", "bucket"),
        );
    }
    match ranges.iter().find(|(_, last)| *last >= count) {
        Some((_, last)) => Err(Error::invalid(format!(
            "the table has buckets 0 to {}, found {last}",
            count - 1
        ))),
        None => Ok(ranges.iter().flat_map(|(a, b)| *a..=*b).collect()),
    }
}

/// The arguments `order_strategy` and `order_by`.
///
/// # Errors
/// For a strategy that does not exist, and when only one of them is given.
fn order_of(arguments: &Arguments) -> Result<Option<(OrderStrategy, Vec<String>)>> {
    let columns = arguments.text("order_by").unwrap_or_default();
    let columns = columns.split(',').map(str::trim).filter(|c| !c.is_empty());
    let columns: Vec<String> = columns.map(str::to_string).collect();
    let strategy = arguments.text("order_strategy").unwrap_or("none");
    if strategy.eq_ignore_ascii_case("none") {
        if columns.is_empty() {
            return Ok(None);
        }
        return Err(DataFusionError::Plan(
            "argument order_by of procedure compact needs an order_strategy: order, zorder or hilbert".into(),
        ));
    }
    let strategy: OrderStrategy = strategy.parse().map_err(|_| {
        DataFusionError::Plan(format!(
            "argument order_strategy of procedure compact must be none, order, zorder or hilbert, found {strategy:?}"
        ))
    })?;
    if columns.is_empty() {
        return Err(DataFusionError::Plan(format!(
            "order_strategy {strategy} of procedure compact needs columns: order_by => 'a,b'"
        )));
    }
    Ok(Some((strategy, columns)))
}

/// Whether everything is asked for: by default, but where tables are clustered bit by bit.
fn is_full_for(arguments: &Arguments, table: &Table) -> Result<bool> {
    let incremental = table.options().get("clustering.incremental");
    let incremental = incremental.is_some_and(|v| v.trim().eq_ignore_ascii_case("true"));
    let sorts = order_of(arguments)?.is_some();
    match arguments.text("compact_strategy") {
        None if incremental && !sorts => Ok(false),
        _ => is_full(arguments),
    }
}

fn is_full(arguments: &Arguments) -> Result<bool> {
    let strategy = arguments.text("compact_strategy").unwrap_or("full");
    match strategy.to_ascii_lowercase().as_str() {
        "full" => Ok(true),
        "minor" => Ok(false),
        _ => Err(DataFusionError::Plan(format!(
            "argument compact_strategy of procedure compact must be full or minor, found {strategy:?}"
        ))),
    }
}

fn compact<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let mut options = arguments.options("options");
        // who asks for a compaction wants one
        options.push(("write-only".into(), "false".into()));
        let table = table_with(session, arguments, options).await?;
        let chosen = partitions::chosen(session, &table, arguments).await?;
        // to the compaction no partition means all of them
        if chosen.as_ref().is_some_and(Vec::is_empty) {
            return Ok(done());
        }
        let mut compaction = table.new_compact().full(is_full_for(arguments, &table)?);
        compaction = compaction.partitions(chosen.unwrap_or_default());
        if let Some(ranges) = bucket_ranges(arguments)? {
            let buckets = buckets_of(&table, &ranges);
            let buckets = buckets.map_err(|e| to_datafusion(e.with("table", table.name())))?;
            compaction = compaction.buckets(buckets);
        }
        if let Some(idle) = idle_ms(arguments)? {
            compaction = compaction.idle_since(SystemClock.local_ms().saturating_sub(idle));
        }
        if let Some((strategy, columns)) = order_of(arguments)? {
            compaction = compaction.order(strategy, columns);
        }
        let compacted = compaction.commit().await;
        compacted
            .map(|_| done())
            .map_err(|e| to_datafusion(e.with_default("table", table.name())))
    }
    .boxed()
}

/// Rewrites the files that have deletion vectors, and no others of tables without buckets.
fn materialize<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let mut options = arguments.options("options");
        for (key, value) in [
            ("write-only", "false"),
            // no file is too small, and none with a vector has too few deleted rows
            ("compaction.small-file-ratio", "0"),
            ("compaction.delete-ratio-threshold", "0"),
        ] {
            if options.iter().any(|(given, _)| given == key) {
                return Err(to_datafusion(
                    Error::invalid(format!("the procedure sets {key} itself")).with("option", key),
                ));
            }
            options.push((key.into(), value.into()));
        }
        let table = table_with(session, arguments, options).await?;
        check_vectors(&table).map_err(|e| to_datafusion(e.with("table", table.name())))?;
        let chosen = partitions::chosen(session, &table, arguments).await?;
        if chosen.as_ref().is_some_and(Vec::is_empty) {
            return Ok(done());
        }
        let compaction = table.new_compact().partitions(chosen.unwrap_or_default());
        let compacted = compaction.commit().await;
        compacted
            .map(|_| done())
            .map_err(|e| to_datafusion(e.with_default("table", table.name())))
    }
    .boxed()
}

/// Refuses tables whose compactions do not leave deleted rows out.
fn check_vectors(table: &Table) -> paimon_core::Result<()> {
    if table.schema().has_primary_key() {
        return Err(Error::unsupported(
            "deletion vectors of primary-key tables go with compactions: CALL sys.compact",
        ));
    }
    if table.options().data_evolution {
        return Err(Error::unsupported(
            "rows of data-evolution tables keep their ids, and so their deletion vectors",
        )
        .with("option", "data-evolution.enabled"));
    }
    match table.options().deletion_vectors {
        true => Ok(()),
        false => Err(Error::invalid("the table has no deletion vectors")
            .with("option", "deletion-vectors.enabled")),
    }
}
