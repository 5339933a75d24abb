//! Partitions of a format table that come and go as folders.
//!
//! Java refuses both where the folders are all that tells of partitions, and has users make and remove the folders
//! (`PaimonFormatTablePartitionDdlExec`). What the statements do is what Hive's do to managed tables.

use arrow::array::ArrayRef;
use datafusion::error::Result;
use paimon_core::spec::Datum;
use paimon_core::{Error, ErrorKind};

use super::FormatTableProvider;
use super::listing::{self, PartitionFolder, joined};
use super::partitions::Layout;
use crate::error::to_datafusion;
use crate::statement::StaticValue;

impl FormatTableProvider {
    /// Checks that each of some partitions is given by all partition columns.
    ///
    /// # Errors
    /// `InvalidInput` naming a column that is missing.
    pub(crate) fn check_whole(&self, given: &[Vec<StaticValue>]) -> paimon_core::Result<()> {
        let layout = Layout::new(&self.table, &self.options);
        given
            .iter()
            .try_for_each(|values| columns(&layout, values).map(drop))
            .map_err(|e| e.with("table", &self.table.name))
    }

    /// Makes the folders of partitions.
    ///
    /// # Errors
    /// `InvalidInput` when one is there already and that is not fine: nothing is made then; `Io` when the store fails.
    pub(crate) async fn add_partitions(
        &self,
        given: &[Vec<StaticValue>],
        present_is_fine: bool,
    ) -> Result<()> {
        let layout = Layout::new(&self.table, &self.options);
        let there = listing::partitions(&self.table, &layout, None).await?;
        let mut missing = Vec::new();
        for values in given {
            let found = matching(&layout, &there, values).map_err(|e| self.named(e))?;
            match found.first() {
                None => missing.push(columns(&layout, values).map_err(|e| self.named(e))?),
                Some(_) if present_is_fine => {}
                Some(folder) => {
                    let error = Error::invalid("the partition is there already");
                    return Err(self.named(error.with("partition", &folder.path)));
                }
            }
        }
        for values in missing {
            let folder = layout.folder(&values, 0).map_err(|e| self.named(e))?;
            let location = joined(&self.table.location, &folder);
            let made = self.table.io.create_folder(&location).await;
            made.map_err(|e| self.named(e))?;
        }
        Ok(())
    }

    /// Removes the folders of partitions with what is in them; some of the partition columns mean all that have their
    /// values.
    ///
    /// # Errors
    /// `NotFound` when there is none and that is not fine: nothing is removed then; `Io` when the store fails.
    pub(crate) async fn drop_partitions(
        &self,
        given: &[Vec<StaticValue>],
        missing_is_fine: bool,
    ) -> Result<()> {
        let layout = Layout::new(&self.table, &self.options);
        let there = listing::partitions(&self.table, &layout, None).await?;
        let mut gone = Vec::new();
        for values in given {
            let found = matching(&layout, &there, values).map_err(|e| self.named(e))?;
            if found.is_empty() && !missing_is_fine {
                let pairs = values.iter().map(|v| v.column.as_str());
                let columns: Vec<&str> = pairs.collect();
                let error = Error::new(
                    ErrorKind::NotFound,
                    "there is no such partition: DROP IF EXISTS PARTITION is fine with that",
                );
                return Err(self.named(error.with("columns", columns.join(", "))));
            }
            gone.extend(found);
        }
        for folder in gone {
            let location = joined(&self.table.location, &folder.path);
            let removed = self.table.io.remove_folder(&location).await;
            removed.map_err(|e| self.named(e))?;
        }
        Ok(())
    }

    fn named(&self, error: Error) -> datafusion::error::DataFusionError {
        to_datafusion(error.with_default("table", &self.table.name))
    }
}

/// The values of all partition columns, in their order.
fn columns(layout: &Layout, values: &[StaticValue]) -> paimon_core::Result<Vec<ArrayRef>> {
    let of = |name: &str| values.iter().find(|v| v.column == name);
    let keys = layout.keys.iter().map(|key| {
        of(&key.name).map(|v| v.array.clone()).ok_or_else(|| {
            Error::invalid("ADD PARTITION needs the values of all partition columns")
                .with("column", &key.name)
        })
    });
    keys.collect()
}

fn matching<'a>(
    layout: &Layout,
    there: &'a [PartitionFolder],
    values: &[StaticValue],
) -> paimon_core::Result<Vec<&'a PartitionFolder>> {
    let given = values.iter().map(|v| (v.column.clone(), v.datum.clone()));
    let given: Vec<(String, Option<Datum>)> = given.collect();
    let mut found = Vec::new();
    for folder in there {
        if layout.matches(&folder.values, &given)? {
            found.push(folder);
        }
    }
    Ok(found)
}
