//! A table of Hive whose files can become those of a Paimon table.

use std::collections::BTreeMap;

use paimon_core::arrow_bridge::datum_from_text;
use paimon_core::io::FileIo;
use paimon_core::maintenance::ForeignFile;
use paimon_core::spec::Datum;
use paimon_core::table::Table;
use paimon_core::{Error, Result};

use super::files::{self, Folder};
use crate::hive::HiveCatalog;
use crate::hive::client::{HivePartition, HiveTable, StorageDescriptor};
use crate::hive::mapping::{self, Kind, TABLE_TYPE};
use crate::hive::types::paimon_type;
use crate::identifier::Identifier;

const DEFAULT_PARTITION: &str = "hive.exec.default.partition.name";
const DEFAULT_PARTITION_NAME: &str = "__HIVE_DEFAULT_PARTITION__";
const TRANSACTIONAL: &str = "transactional";
/// Who made a table through Spark.
const PROVIDER: &str = "spark.sql.sources.provider";
/// Formats that keep a table's list of files elsewhere than in its folders.
const TABLE_FORMATS: [&str; 3] = ["hudi", "delta", "iceberg"];

/// A format with what a metastore names it by.
struct HiveFormat {
    name: &'static str,
    /// Hive's own. Others over the same rows, as those of Hudi, leave part of the files of a folder out.
    input_formats: &'static [&'static str],
}

const FORMATS: [HiveFormat; 3] = [
    HiveFormat {
        name: "avro",
        input_formats: &["org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat"],
    },
    HiveFormat {
        name: "parquet",
        input_formats: &[
            "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
            "parquet.hive.DeprecatedParquetInputFormat",
        ],
    },
    HiveFormat {
        name: "orc",
        input_formats: &["org.apache.hadoop.hive.ql.io.orc.OrcInputFormat"],
    },
];

/// A table of Hive and its partitions.
pub(super) struct Source {
    pub(super) identifier: Identifier,
    pub(super) hive: HiveTable,
    pub(super) location: String,
    pub(super) io: FileIo,
    /// What stands for null in the values of partitions.
    pub(super) default_partition: String,
    partitions: Vec<HivePartition>,
}

impl Source {
    /// Asks the metastore for what is not in the table's own object.
    ///
    /// # Errors
    /// `Unsupported` naming what keeps the table from being migrated.
    pub(super) async fn new(
        catalog: &HiveCatalog,
        identifier: Identifier,
        hive: HiveTable,
    ) -> Result<Self> {
        let (database, name) = (identifier.database(), identifier.table());
        check(&hive).map_err(|e| e.with("table", &identifier))?;
        if catalog.client.has_primary_key(database, name).await? {
            return Err(
                Error::unsupported("tables of Hive with a primary key cannot be migrated")
                    .with("table", &identifier),
            );
        }
        let location = catalog.location(&identifier, &hive)?;
        let mut source = Self {
            io: catalog.io(&location)?,
            identifier,
            hive,
            location,
            default_partition: String::new(),
            partitions: Vec::new(),
        };
        if !source.hive.partition_keys.is_empty() {
            let asked = catalog
                .client
                .setting(DEFAULT_PARTITION, DEFAULT_PARTITION_NAME);
            source.default_partition = asked.await?;
        }
        source.read_partitions(catalog).await?;
        Ok(source)
    }

    async fn read_partitions(&mut self, catalog: &HiveCatalog) -> Result<()> {
        if !self.hive.partition_keys.is_empty() {
            let (database, name) = (self.identifier.database(), self.identifier.table());
            self.partitions = catalog.client.partitions(database, name).await?;
        }
        Ok(())
    }

    /// Whether partition columns of the target are those of the source, in any order.
    ///
    /// # Errors
    /// `InvalidInput` when they are not.
    pub(super) fn check_keys(&self, target: &Table) -> Result<()> {
        let mut own = BTreeMap::new();
        for key in &self.hive.partition_keys {
            own.insert(key.name.clone(), paimon_type(&key.data_type)?.kind);
        }
        let fields = target.schema().partition_fields();
        let theirs = fields.into_iter().map(|f| (f.name, f.data_type.kind));
        match own == theirs.collect() {
            true => Ok(()),
            false => Err(Error::invalid(
                "the partition columns of the target table are not those of the source",
            )
            .with("target", target.name())),
        }
    }

    /// The data files as those of a table to be.
    ///
    /// # Errors
    /// `Unsupported` for a partition of another format, a value that does not fit its column, and files that no
    /// partition names.
    pub(super) async fn files(&self, target: &Table) -> Result<Vec<ForeignFile>> {
        let mut out = Vec::new();
        for (location, partition) in self.places()? {
            let (format, values) = match partition {
                Some(partition) => (
                    format_of(&partition.storage)?,
                    self.values(partition, target)?,
                ),
                None => (format_of(&self.hive.storage)?, Vec::new()),
            };
            for file in files::of_folder(&self.io, &location).await? {
                out.push(ForeignFile {
                    location: format!("{location}/{}", file.name),
                    size: file.size,
                    format: format.to_string(),
                    partition: values.clone(),
                });
            }
        }
        if let Some(path) = files::beyond(&self.io, &self.folders()?).await? {
            return Err(Error::unsupported(
                "a file lies where neither the table nor a partition of the metastore has files \
                 (MSCK REPAIR TABLE makes partitions known)",
            )
            .with("path", path));
        }
        Ok(out)
    }

    /// A data file that is there by now, if any. A partition that came meanwhile may lie outside of the table's folder: so
    /// the metastore is asked again.
    pub(super) async fn any_file(&mut self, catalog: &HiveCatalog) -> Result<Option<String>> {
        self.read_partitions(catalog).await?;
        for (location, _) in self.places()? {
            if let Some(file) = files::of_folder(&self.io, &location).await?.first() {
                return Ok(Some(format!("{location}/{}", file.name)));
            }
        }
        files::beyond(&self.io, &self.folders()?).await
    }

    /// Where files are: in the folders of the partitions, or in that of the table.
    fn places<'a>(&'a self) -> Result<Vec<(String, Option<&'a HivePartition>)>> {
        if self.hive.partition_keys.is_empty() {
            return Ok(vec![(self.location.clone(), None)]);
        }
        let place = |partition: &'a HivePartition| {
            let location = partition.storage.location.as_deref().ok_or_else(|| {
                Error::damaged("the metastore has no location for a partition")
                    .with("table", &self.identifier)
            })?;
            Ok((location.trim_end_matches('/').to_string(), Some(partition)))
        };
        self.partitions.iter().map(place).collect()
    }

    /// The folders below which nothing else may lie.
    fn folders(&self) -> Result<Vec<Folder>> {
        let places = self.places()?;
        let mut folders: Vec<Folder> = places
            .into_iter()
            .map(|(location, _)| Folder {
                location,
                has_files: true,
            })
            .collect();
        if !self.hive.partition_keys.is_empty() {
            folders.push(Folder {
                location: self.location.clone(),
                has_files: false,
            });
        }
        Ok(folders)
    }

    /// Values of a partition in the order of the target's columns.
    fn values(&self, partition: &HivePartition, target: &Table) -> Result<Vec<Option<Datum>>> {
        let fields = target.schema().partition_fields();
        let value = |field: &paimon_core::spec::DataField| {
            let keys = &self.hive.partition_keys;
            let at = keys.iter().position(|k| k.name == field.name);
            let text = at.and_then(|at| partition.values.get(at));
            let text = text.ok_or_else(|| {
                Error::damaged("a partition of the metastore lacks a value")
                    .with("column", &field.name)
            })?;
            if *text == self.default_partition {
                return Ok(None);
            }
            datum_from_text(text, &field.data_type)
                .map(Some)
                .map_err(|e| e.with("column", &field.name))
        };
        fields.iter().map(value).collect()
    }
}

/// Whether the table is of a kind that can be migrated.
fn check(hive: &HiveTable) -> Result<()> {
    match mapping::kind(hive) {
        Kind::Paimon => Err(Error::invalid("the table is a Paimon table already")),
        Kind::View => Err(Error::unsupported("a view has no files to migrate")),
        Kind::Format(_) | Kind::Other => {
            check_parameters(&hive.parameters)?;
            format_of(&hive.storage).map(drop)
        }
    }
}

/// Whether the files of a table's folders are its rows.
///
/// # Errors
/// `Unsupported` naming the parameter that says otherwise.
fn check_parameters(parameters: &BTreeMap<String, String>) -> Result<()> {
    let value = |key: &str| parameters.get(key).map(|v| v.to_lowercase());
    if value(TRANSACTIONAL).is_some_and(|t| t == "true") {
        return Err(
            Error::unsupported("transactional tables of Hive cannot be migrated")
                .with("parameter", TRANSACTIONAL),
        );
    }
    for key in [PROVIDER, TABLE_TYPE] {
        let Some(value) = value(key) else { continue };
        if let Some(format) = TABLE_FORMATS.iter().find(|f| value.contains(**f)) {
            return Err(Error::unsupported(format!(
                "only Hive's own tables can be migrated: {key} = {value} makes it a table of {format}"
            ))
            .with("parameter", key));
        }
    }
    Ok(())
}

/// Format of the files.
///
/// # Errors
/// `Unsupported` for any but Parquet, ORC and Avro as Hive itself reads them.
fn format_of(storage: &StorageDescriptor) -> Result<&'static str> {
    let serde = storage.serde.library.clone().unwrap_or_default();
    let input_format = storage.input_format.clone().unwrap_or_default();
    let lower = serde.to_lowercase();
    let refused = match FORMATS.iter().find(|f| lower.contains(f.name)) {
        Some(format) if format.input_formats.contains(&input_format.as_str()) => {
            return Ok(format.name);
        }
        Some(format) => Error::unsupported(format!(
            "expected {} files with the input format {}, found {input_format}",
            format.name,
            format.input_formats.join(" or ")
        )),
        None => Error::unsupported("only tables of Parquet, ORC and Avro files are migrated"),
    };
    Err(refused
        .with("serde", serde)
        .with("input_format", input_format))
}
