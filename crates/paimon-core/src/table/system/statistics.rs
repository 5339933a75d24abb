//! `$statistics`: what the newest ANALYZE told of the table. Source: `StatisticTable`, `StatsFileHandler`.

use super::rows::{Rows, long, opt_long, text};
use crate::codec::{parse_json, write_json};
use crate::error::{Error, Result};
use crate::io::checked_name;
use crate::snapshot::JSON_SIZE_MAX;
use crate::spec::Statistics;
use crate::table::Table;

pub(super) async fn statistics(table: &Table) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("snapshot_id", "BIGINT NOT NULL"),
        ("schema_id", "BIGINT NOT NULL"),
        ("mergedRecordCount", "BIGINT"),
        ("mergedRecordSize", "BIGINT"),
        ("colstat", "STRING"),
    ])?;
    let snapshot = table.current_snapshot().await?;
    let Some(name) = snapshot.and_then(|s| s.statistics) else {
        return Ok(rows);
    };
    let path = format!("{}/statistics/{}", table.location(), checked_name(&name)?);
    let bytes = table.io().read(&path, JSON_SIZE_MAX).await?;
    let found: Statistics =
        parse_json(&bytes, "statistics file").map_err(|e| e.with_default("path", &path))?;
    let columns = String::from_utf8(write_json(&found.col_stats)?)
        .map_err(|e| Error::internal("statistics are no text").with_source(e))?;
    rows.push(vec![
        long(found.snapshot_id),
        long(found.schema_id),
        opt_long(found.merged_record_count),
        opt_long(found.merged_record_size),
        text(columns),
    ]);
    Ok(rows)
}
