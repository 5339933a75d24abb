//! Procedures of this engine that leave the rows as they are.

use super::history::{History, TABLE};
use super::sql;
use crate::play::Stop;

/// One procedure, where the table takes it.
pub async fn step(history: &mut History<'_>) -> Result<(), Stop> {
    let (_, newest) = history.snapshots().await?;
    if newest < 1 {
        return Ok(());
    }
    let append =
        !history.definition.keyed() && matches!(history.definition.option("bucket"), "" | "-1");
    let call = match history.numbers.below(4) {
        0 => format!("CALL sys.compact_manifest(table => '{TABLE}')"),
        1 => format!("CALL sys.remove_orphan_files(table => '{TABLE}')"),
        2 => format!("CALL sys.rewrite_file_index(table => '{TABLE}')"),
        _ if append && !history.definition.is("row-tracking.enabled") => {
            let schema = history.schema().await?;
            let plain: Vec<&str> = schema
                .fields
                .iter()
                .filter(|f| {
                    !f.data_type.kind.is_nested()
                        && !schema.partition_keys.contains(&f.name)
                        && f.name
                            .chars()
                            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
                })
                .map(|f| f.name.as_str())
                .collect();
            let Some(column) = plain.first() else {
                return Ok(());
            };
            let strategy = *history.numbers.pick(&["order", "zorder", "hilbert"]);
            format!(
                "CALL sys.compact(table => '{TABLE}', order_strategy => '{strategy}', order_by => '{column}')"
            )
        }
        _ => format!("ANALYZE TABLE {TABLE} COMPUTE STATISTICS FOR ALL COLUMNS"),
    };
    history.log.push(format!("Ours {call}"));
    match sql::run(&history.session, &call).await {
        Err(Stop::Refused(why)) => {
            history.refused.push(why);
            Ok(())
        }
        other => other.map(drop),
    }
}
