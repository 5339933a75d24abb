//! Everything about a write that is the same for all buckets, checked before the first byte.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::mergetree::function::{MergeEngine, create_merge_function};
use crate::options::{ChangelogProducer, MergeEngineKind};
use crate::spec::FileSource;
use crate::table::Table;
use crate::write::assign::BucketMode;
use crate::write::data_file::{FileBuilder, FileSettings};
use crate::write::key_value::KeyValueSettings;
use crate::write::options::{FileKind, WriteOptions};
use crate::write::rows::FileLayout;
use crate::write::sort_buffer::SortSpec;
use crate::write::stats::StatsModes;

/// Settings of a table's writers.
#[derive(Debug)]
pub(super) struct Setup {
    pub options: WriteOptions,
    pub mode: BucketMode,
    /// New data files.
    pub data: Arc<FileSettings>,
    /// Primary-key tables.
    pub key_value: Option<Arc<KeyValueSettings>>,
}

impl Setup {
    /// Settings of a table.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidInput` naming what cannot be written.
    pub fn new(table: &Table) -> Result<Self> {
        let schema = table.schema();
        let core = table.options();
        let options = WriteOptions::new(schema, core)?;
        let mode = BucketMode::of(schema, core)?;
        let data = Arc::new(file_settings(table, &options, options.data_file(0), false)?);
        // fails for formats, codecs and types that cannot be written
        FileBuilder::new(Arc::clone(&data))?;
        let key_value = match schema.has_primary_key() {
            false => None,
            true => {
                let settings = key_value_settings(table, &options, &data)?;
                if let Some(changelog) = &settings.changelog {
                    FileBuilder::new(Arc::clone(changelog))?;
                }
                Some(Arc::new(settings))
            }
        };
        Ok(Self {
            options,
            mode,
            data,
            key_value,
        })
    }
}

fn file_settings(
    table: &Table,
    options: &WriteOptions,
    kind: FileKind,
    changelog: bool,
) -> Result<FileSettings> {
    let schema = table.schema();
    Ok(FileSettings {
        layout: FileLayout::of(schema, options.thin),
        schema_id: schema.id,
        stats: StatsModes::new(
            &schema.fields,
            kind.stats,
            &schema.trimmed_primary_keys(),
            options.thin,
            options.dense_stats,
            options.table(),
        )?,
        kind,
        prefix: match changelog {
            true => options.changelog_prefix.clone(),
            false => options.data_prefix.clone(),
        },
        level: 0,
        source: FileSource::Append,
        target_size: options.target_file_size,
        target_rows: options.target_file_rows.filter(|_| !changelog),
        indexed: !changelog,
        index_in_manifest: options.index_in_manifest,
        restart_sequence: table.options().row_tracking,
    })
}

fn key_value_settings(
    table: &Table,
    options: &WriteOptions,
    data: &Arc<FileSettings>,
) -> Result<KeyValueSettings> {
    let schema = table.schema();
    let core = table.options();
    let position = |name: &String| {
        let found = schema.fields.iter().position(|f| f.name == *name);
        found.ok_or_else(|| {
            Error::invalid(format!("{name:?} is not a column")).with("option", "sequence.field")
        })
    };
    let engine = match core.merge_engine {
        MergeEngineKind::Deduplicate => MergeEngine::Deduplicate,
        MergeEngineKind::PartialUpdate => MergeEngine::PartialUpdate,
        MergeEngineKind::Aggregation => MergeEngine::Aggregation,
        MergeEngineKind::FirstRow => MergeEngine::FirstRow,
    };
    let function = create_merge_function(
        engine,
        &schema.fields,
        &schema.primary_keys,
        options.table(),
    )?;
    let changelog = match core.changelog_producer {
        ChangelogProducer::Input => {
            let kind = options.changelog_file();
            Some(Arc::new(file_settings(table, options, kind, true)?))
        }
        _ => None,
    };
    Ok(KeyValueSettings {
        sort: SortSpec {
            fields: schema.fields.clone(),
            keys: data.layout.keys.clone(),
            sequence: core
                .sequence_fields
                .iter()
                .map(position)
                .collect::<Result<_>>()?,
            descending: core.sequence_descending,
        },
        // retracts that deduplicate would skip were filtered before the buffer
        function: (engine != MergeEngine::Deduplicate).then(|| function.into()),
        data: Arc::clone(data),
        changelog,
    })
}
