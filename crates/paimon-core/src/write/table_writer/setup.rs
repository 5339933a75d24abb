//! Everything about a write that is the same for all buckets, checked before the first byte.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::mergetree::function::{MergeFunction, create_merge_function};
use crate::options::{
    ChangelogProducer, CoreOptions, MergeEngine, PartitionTime, parse_bool, parse_i64,
};
use crate::read::Partition;
use crate::spec::datum_to_legacy_text;
use crate::table::Table;
use crate::write::assign::BucketMode;
use crate::write::buffer::flush::KeyValueSettings;
use crate::write::buffer::sort_buffer::SortSpec;
use crate::write::context::WriteContext;
use crate::write::file::data_file::{FileBuilder, FileRole, FileSettings};
use crate::write::options::WriteOptions;
use crate::write::stats::StatsMode;

/// Settings of a table's writers.
#[derive(Debug)]
pub(super) struct Setup {
    pub options: WriteOptions,
    pub mode: BucketMode,
    /// New data files.
    pub data: Arc<FileSettings>,
    /// Bucket count of new partitions of a postpone table.
    pub postpone_buckets: i32,
    /// Values of partitions must be a time that this reads (`partition.timestamp-format.strict`).
    partition_time: Option<PartitionTime>,
    /// Postponed rows: what a compaction will merge them with.
    pub later: Option<Arc<dyn MergeFunction>>,
    /// Primary-key tables whose rows are merged.
    pub key_value: Option<Arc<KeyValueSettings>>,
}

impl Setup {
    /// Settings of a table; `postponed_into` is the number of buckets for rows that would be postponed.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidInput` naming what cannot be written.
    pub fn new(table: &Table, postponed_into: Option<i32>) -> Result<Self> {
        let schema = table.schema();
        let core = table.options();
        let options = WriteOptions::new(schema, core)?;
        let mode = match (BucketMode::of(schema, core)?, postponed_into) {
            (BucketMode::Postponed, Some(_)) => BucketMode::PerPartition,
            (mode, _) => mode,
        };
        let mut data = FileSettings::of(schema, core, &options, FileRole::Data { level: 0 })?;
        if mode == BucketMode::Postponed {
            data = postponed(data);
        }
        let data = Arc::new(data);
        // fails for formats, codecs and types that cannot be written
        FileBuilder::new(Arc::clone(&data))?;
        let key_value = match schema.has_primary_key() && mode != BucketMode::Postponed {
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
            later: match mode {
                BucketMode::Postponed => Some(merge_function(table, &options)?.into()),
                _ => None,
            },
            partition_time: partition_time(table)?,
            postpone_buckets: match postponed_into {
                Some(number) => number,
                None => postpone_buckets(core)?,
            },
            options,
            mode,
            data,
            key_value,
        })
    }

    /// Whether rows may go to a partition. Source: `PartitionTimestampValidator`.
    ///
    /// # Errors
    /// `InvalidInput` naming the option when its values are no time and must be.
    pub fn check_partition(&self, table: &Table, partition: &Partition) -> Result<()> {
        let Some(time) = &self.partition_time else {
            return Ok(());
        };
        let fields = table.schema().partition_fields();
        let values = fields.iter().zip(&partition.values);
        let texts: Vec<(&str, Option<String>)> = values
            .map(|(f, v)| (f.name.as_str(), v.as_ref().map(datum_to_legacy_text)))
            .collect();
        match time.of(&texts) {
            Some(_) => Ok(()),
            None => Err(Error::invalid(format!(
                "the values of a partition must be a time as `partition.timestamp-formatter` and \
                 `partition.timestamp-pattern` say, found {texts:?}"
            ))
            .with("option", STRICT)),
        }
    }

    /// Data files store ids and sequence numbers of their rows.
    pub fn keep_row_ids(&mut self) {
        let mut data = FileSettings::clone(&self.data);
        data.layout = data.layout.with_row_ids();
        self.data = Arc::new(data);
    }

    /// Names the files of a writer of postponed rows, so that a compaction can read them in the order of writing.
    /// Source: `PostponeBucketFileStoreWrite`.
    pub fn name_postponed_files(&mut self, commit_user: Option<&str>, context: &WriteContext) {
        let user = commit_user.map_or_else(|| context.ids.uuid().to_string(), str::to_string);
        let (_, id, ..) = context.ids.uuid().as_fields();
        let mut data = FileSettings::clone(&self.data);
        data.prefix = format!("{}-u-{user}-s-{id}-w-", data.prefix);
        self.data = Arc::new(data);
    }
}

const STRICT: &str = "partition.timestamp-format.strict";

/// Reads times out of partition values, where those must be times; nothing is asked of them without a format or a pattern.
fn partition_time(table: &Table) -> Result<Option<PartitionTime>> {
    let options = table.options();
    let strict = options.get(STRICT).map(parse_bool).transpose();
    let strict = strict.map_err(|e| e.with("option", STRICT))?;
    let pattern = options.get("partition.timestamp-pattern");
    let format = options.get("partition.timestamp-formatter");
    let asked = strict == Some(true) && (pattern.is_some() || format.is_some());
    if !asked || table.schema().partition_keys.is_empty() {
        return Ok(None);
    }
    PartitionTime::new(pattern.map(str::to_string), format).map(Some)
}

/// Postponed rows are read once, by a compaction: Avro without statistics where Avro can hold them.
fn postponed(settings: FileSettings) -> FileSettings {
    let mut avro = settings.clone();
    avro.kind.encoder.format = "avro".into();
    avro.kind.extension = ".avro".into();
    avro.indexed = false;
    avro.stats.columns.fill(StatsMode::None);
    match FileBuilder::new(Arc::new(avro.clone())) {
        Ok(_) => avro,
        Err(_) => settings,
    }
}

fn postpone_buckets(core: &CoreOptions) -> Result<i32> {
    const KEY: &str = "postpone.default-bucket-num";
    let Some(text) = core.get(KEY) else {
        return Ok(1);
    };
    let number = parse_i64(text).map_err(|e| e.with("option", KEY))?;
    let number = i32::try_from(number).ok().filter(|n| *n > 0);
    number.ok_or_else(|| {
        Error::invalid(format!("expected a positive number, found {text:?}")).with("option", KEY)
    })
}

fn merge_function(table: &Table, options: &WriteOptions) -> Result<Box<dyn MergeFunction>> {
    let schema = table.schema();
    create_merge_function(
        table.options().merge_engine,
        &schema.fields,
        &schema.primary_keys,
        options.table(),
    )
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
    let function = merge_function(table, options)?;
    let changelog = match core.changelog_producer {
        ChangelogProducer::Input => {
            let changelog = FileSettings::of(schema, core, options, FileRole::Changelog)?;
            Some(Arc::new(changelog))
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
        function: match core.merge_engine {
            MergeEngine::Deduplicate => None,
            _ => Some(function.into()),
        },
        data: Arc::clone(data),
        changelog,
    })
}
