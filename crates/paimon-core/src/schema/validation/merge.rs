//! Rules about merge engines, sequence fields, changelogs and deletion vectors.

use super::Check;
use crate::error::{Error, Result};
use crate::mergetree::function::create_merge_function;
use crate::options::{ChangelogProducer, MergeEngine};
use crate::spec::TypeKind;

impl Check<'_> {
    pub(super) fn merging(&self) -> Result<()> {
        self.changelog()?;
        self.first_row()?;
        self.deletion_vectors()?;
        // as in Java, which lets tables without a primary key have the option
        self.sequence_fields()?;
        if !self.schema.has_primary_key() {
            return Ok(());
        }
        self.retract_options()?;
        self.blobs()?;
        let schema = self.schema;
        create_merge_function(
            self.core.merge_engine,
            &schema.fields,
            &schema.primary_keys,
            &schema.options,
        )
        .map(|_| ())
    }

    fn changelog(&self) -> Result<()> {
        const OVERWRITE: &str = "streaming-read-overwrite";
        const DELTA: &str = "full-compaction.delta-commits";
        let producer = self.core.changelog_producer;
        if self.flag(OVERWRITE)? {
            let compacts = matches!(
                producer,
                ChangelogProducer::FullCompaction | ChangelogProducer::Lookup
            );
            if compacts || !self.schema.has_primary_key() {
                return Err(Error::invalid(
                    "`streaming-read-overwrite` needs a primary key and a changelog producer none or input",
                )
                .with("option", OVERWRITE));
            }
        }
        if producer == ChangelogProducer::Lookup && self.core.get(DELTA).is_some() {
            return Err(Error::invalid(
                "`full-compaction.delta-commits` does not go with changelog producer lookup",
            )
            .with("option", DELTA));
        }
        if self.flag("table-read.sequence-number.enabled")? && !self.schema.has_primary_key() {
            return Err(
                Error::invalid("sequence numbers are read from primary-key tables only")
                    .with("option", "table-read.sequence-number.enabled"),
            );
        }
        Ok(())
    }

    fn first_row(&self) -> Result<()> {
        if self.core.merge_engine != MergeEngine::FirstRow || !self.schema.has_primary_key() {
            return Ok(());
        }
        if !matches!(
            self.core.changelog_producer,
            ChangelogProducer::None | ChangelogProducer::Lookup
        ) {
            return Err(Error::invalid(
                "the first-row merge engine takes changelog producer none or lookup",
            )
            .with("option", "changelog-producer"));
        }
        if self.core.deletion_vectors {
            return Err(Error::invalid(
                "deletion vectors do not go with the first-row merge engine",
            )
            .with("option", "deletion-vectors.enabled"));
        }
        Ok(())
    }

    fn deletion_vectors(&self) -> Result<()> {
        if self.core.deletion_vectors
            && self.core.changelog_producer == ChangelogProducer::FullCompaction
        {
            return Err(Error::invalid(
                "deletion vectors take changelog producer none, input or lookup",
            )
            .with("option", "deletion-vectors.enabled"));
        }
        Ok(())
    }

    fn sequence_fields(&self) -> Result<()> {
        const KEY: &str = "sequence.field";
        let fields = &self.core.sequence_fields;
        let wrong = |text: String| Err(Error::invalid(text).with("option", KEY));
        let schema = self.schema;
        for (i, name) in fields.iter().enumerate() {
            if schema.field(name).is_none() {
                return wrong(format!(
                    "`sequence.field` names {name:?}, which is not a column"
                ));
            }
            if fields[..i].contains(name) {
                return wrong(format!("sequence field {name:?} appears twice"));
            }
            let own = format!("fields.{name}.aggregate-function");
            if self.core.get(&own).is_some() {
                return wrong(format!("sequence field {name:?} has an aggregate function"));
            }
            let nested = |k: &TypeKind| k.is_nested() || *k == TypeKind::Blob;
            if schema
                .field(name)
                .is_some_and(|f| nested(&f.data_type.kind))
            {
                return wrong(format!("sequence field {name:?} must be of a simple type"));
            }
        }
        let partition = schema.partition_keys.iter();
        let crosses = schema.has_primary_key()
            && partition
                .into_iter()
                .any(|k| !schema.primary_keys.contains(k));
        if !fields.is_empty() && crosses {
            return wrong(
                "sequence fields need a primary key with all partition columns".to_string(),
            );
        }
        if !self.core.snapshot_ordering {
            return Ok(());
        }
        if !fields.is_empty() {
            return wrong("sequence fields do not go with `sequence.snapshot-ordering`".into());
        }
        let write_only = self.core.get("write-only");
        let write_only = write_only.is_some_and(|v| v.eq_ignore_ascii_case("true"));
        if !schema.has_primary_key() || !write_only {
            return wrong(
                "`sequence.snapshot-ordering` needs a primary key and `write-only` = true".into(),
            );
        }
        Ok(())
    }

    fn retract_options(&self) -> Result<()> {
        const ON_DELETE: &str = "partial-update.remove-record-on-delete";
        const ON_GROUP: &str = "partial-update.remove-record-on-sequence-group";
        const AGGREGATION: &str = "aggregation.remove-record-on-delete";
        let keys = || self.schema.options.keys();
        let any = |prefix: &str, suffix: &str| {
            keys().any(|k| k.starts_with(prefix) && k.ends_with(suffix))
        };
        if self.core.merge_engine == MergeEngine::PartialUpdate {
            let on_delete = self.flag(ON_DELETE)?;
            if self.core.ignore_delete && (on_delete || self.core.get(ON_GROUP).is_some()) {
                return Err(Error::invalid(
                    "`ignore-delete` does not go with options that remove records on delete",
                )
                .with("option", "ignore-delete"));
            }
            if on_delete && any("fields.", ".sequence-group") {
                return Err(Error::invalid(
                    "`partial-update.remove-record-on-delete` does not go with sequence groups",
                )
                .with("option", ON_DELETE));
            }
        }
        let retracts = |key: &str| self.flag(key);
        let ignored = keys()
            .filter(|k| k.starts_with("fields.") && k.ends_with(".ignore-retract"))
            .map(|k| retracts(k))
            .collect::<Result<Vec<_>>>()?;
        if self.core.merge_engine == MergeEngine::Aggregation
            && self.flag(AGGREGATION)?
            && ignored.contains(&true)
        {
            return Err(Error::invalid(
                "`aggregation.remove-record-on-delete` does not go with `ignore-retract`",
            )
            .with("option", AGGREGATION));
        }
        Ok(())
    }

    fn blobs(&self) -> Result<()> {
        let blob = self
            .schema
            .fields
            .iter()
            .find(|f| f.data_type.kind == TypeKind::Blob);
        let Some(blob) = blob else { return Ok(()) };
        let engine = self.core.merge_engine != MergeEngine::Aggregation;
        if engine && self.core.changelog_producer == ChangelogProducer::None {
            return Ok(());
        }
        Err(Error::invalid(
            "BLOB columns of primary-key tables need merge engine deduplicate, partial-update or first-row and no \
             changelog producer",
        )
        .with("column", &blob.name))
    }
}
