//! Schemas that no table may have: checked when a table is created or altered.
//!
//! Source: `SchemaValidation.validateTableSchema`. Every refusal names the option or column. What is malformed or
//! contradicts itself is `InvalidInput`; what Java offers and this engine does not is left to the reader or writer that
//! meets it.

mod columns;
mod merge;

#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::index::FileIndexWriter;
use crate::options::{
    CoreOptions, RetentionOptions, TaggingOptions, check_scan_mode, check_types, parse_bool,
    parse_i64,
};
use crate::spec::TableSchema;

/// Checks a schema before it becomes that of a table.
///
/// # Errors
/// `InvalidInput` naming the option or column that breaks a rule; `Unsupported` for options that this engine cannot
/// honour at all.
pub fn validate_schema(schema: &TableSchema) -> Result<()> {
    schema
        .validate()
        .map_err(|e| Error::invalid(e.message().to_string()))?;
    check_types(&schema.options)?;
    check_scan_mode(&schema.options)?;
    let core = CoreOptions::new(schema)?;
    let check = Check {
        schema,
        core: &core,
    };
    check.columns()?;
    check.keys()?;
    check.buckets()?;
    check.bounds()?;
    RetentionOptions::new(&core)?;
    TaggingOptions::new(&core)?;
    check.formats()?;
    check.record_level_expire()?;
    check.row_tracking()?;
    check.merging()?;
    FileIndexWriter::new(&schema.fields, &schema.options).map(|_| ())
}

/// A schema under examination.
struct Check<'a> {
    schema: &'a TableSchema,
    core: &'a CoreOptions,
}

impl Check<'_> {
    fn flag(&self, key: &str) -> Result<bool> {
        let parse = |text| parse_bool(text).map_err(|e| e.with("option", key));
        self.core.get(key).map_or(Ok(false), parse)
    }

    fn number(&self, key: &str) -> Result<Option<i64>> {
        let parse = |text| parse_i64(text).map_err(|e| e.with("option", key));
        self.core.get(key).map(parse).transpose()
    }

    fn buckets(&self) -> Result<()> {
        let bucket = self.core.bucket;
        let wrong = |text: &str| Err(Error::invalid(text).with("option", "bucket"));
        let has_key = self.schema.has_primary_key();
        let bucket_key = self.core.get("bucket-key").filter(|k| !k.trim().is_empty());
        match bucket {
            -1 if bucket_key.is_some() => {
                wrong("a bucket key needs a fixed number of buckets, `bucket` is -1")
            }
            -1 if !has_key && self.core.get("full-compaction.delta-commits").is_some() => {
                Err(Error::invalid(
                    "`full-compaction.delta-commits` does not go with an append table of bucket -1",
                )
                .with("option", "full-compaction.delta-commits"))
            }
            -2 if !has_key => wrong("bucket -2 needs a primary key"),
            0 => wrong("`bucket` must not be 0"),
            n if n < -2 => wrong("`bucket` must be positive, -1 or -2"),
            n if n > 0 && !has_key && bucket_key.is_none() => Err(Error::invalid(
                "an append table with fixed buckets needs `bucket-key`",
            )
            .with("option", "bucket-key")),
            _ => self.bucket_keys(),
        }
    }

    fn bounds(&self) -> Result<()> {
        for what in ["snapshot", "changelog"] {
            let (min_key, max_key) = (
                format!("{what}.num-retained.min"),
                format!("{what}.num-retained.max"),
            );
            let (min, max) = (self.number(&min_key)?, self.number(&max_key)?);
            if min.is_some_and(|n| n < 1) {
                return Err(Error::invalid(format!("`{min_key}` must be at least 1"))
                    .with("option", min_key));
            }
            // the smaller bound of snapshots is 10 unless it is set
            let min = min.or((what == "snapshot").then_some(10));
            if let (Some(min), Some(max)) = (min, max)
                && max < min
            {
                return Err(Error::invalid(format!(
                    "`{max_key}` is {max}, which is less than `{min_key}`, {min}"
                ))
                .with("option", max_key));
            }
        }
        match self.number("target-file-row-num")? {
            Some(n) if n <= 0 => Err(Error::invalid("`target-file-row-num` must be positive")
                .with("option", "target-file-row-num")),
            _ => Ok(()),
        }
    }

    fn record_level_expire(&self) -> Result<()> {
        const FIELD: &str = "record-level.time-field";
        if self.core.get("record-level.expire-time").is_none() {
            return Ok(());
        }
        use crate::spec::TypeKind;
        let field = self
            .core
            .get(FIELD)
            .and_then(|name| self.schema.field(name));
        let fits = field.is_some_and(|f| {
            matches!(f.data_type.kind, TypeKind::Int | TypeKind::BigInt)
                || f.data_type.kind.is_timestamp()
        });
        if fits {
            return Ok(());
        }
        Err(Error::invalid(
            "`record-level.expire-time` needs a time field of type INT, BIGINT or TIMESTAMP",
        )
        .with("option", FIELD))
    }

    fn row_tracking(&self) -> Result<()> {
        if !self.core.row_tracking {
            return Ok(());
        }
        let wrong = |text: &str| Err(Error::invalid(text).with("option", "row-tracking.enabled"));
        if self.schema.has_primary_key() {
            return wrong("row tracking does not go with a primary key");
        }
        if self.core.bucket != -1 {
            return wrong("row tracking needs `bucket` = -1");
        }
        if self.core.data_evolution && self.flag("clustering.incremental")? {
            return Err(
                Error::invalid("`clustering.incremental` does not go with data evolution")
                    .with("option", "clustering.incremental"),
            );
        }
        Ok(())
    }
}
