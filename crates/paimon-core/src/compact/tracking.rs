//! What a compaction of a primary-key bucket keeps track of besides the rows: changelogs and deletion vectors, and how
//! far deeper levels are looked into for them. Source: `LookupStrategy`, `LookupMergeTreeCompactRewriter`,
//! `FullChangelogMergeTreeCompactRewriter`.

use crate::error::{Error, Result};
use crate::options::{ChangelogProducer, MergeEngine, parse_bool};
use crate::read::{ChangelogMoment, ChangelogRules};
use crate::spec::DataFileMeta;
use crate::table::Table;

/// The rules of a table.
#[derive(Debug, Clone)]
pub(super) struct Tracking {
    producer: ChangelogProducer,
    /// Columns whose change makes a row another one (`changelog-producer.row-deduplicate`); `None`: every update counts.
    compared: Option<Vec<usize>>,
    /// Keys of level-0 files are looked up below the output level.
    pub lookup: bool,
    /// Rows that are found there are deleted by vector.
    pub vectors: bool,
    /// Merging needs the rows found, not only where they are.
    rows_matter: bool,
    /// The newest row wins whatever lies below.
    newest_wins: bool,
}

/// What becomes of a file that could move to the output level as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upgrade {
    /// It moves.
    Move,
    /// It moves, and its rows are looked at for changelog or deletion vectors.
    Track,
    /// It is rewritten.
    Rewrite,
}

impl Tracking {
    /// The rules of a primary-key table. With `tells` changes are told where its options say so.
    ///
    /// # Errors
    /// `InvalidInput` for a malformed option or a column that does not exist, naming the option.
    pub fn new(table: &Table, tells: bool) -> Result<Self> {
        let options = table.options();
        let producer = match tells {
            true => options.changelog_producer,
            false => ChangelogProducer::None,
        };
        let newest_wins =
            options.merge_engine == MergeEngine::Deduplicate && options.sequence_fields.is_empty();
        let changelog = producer == ChangelogProducer::Lookup;
        Ok(Self {
            producer,
            compared: compared_columns(table)?,
            lookup: options.need_lookup(),
            vectors: options.deletion_vectors,
            // vectors make the rows below void whatever their sequence numbers are
            rows_matter: changelog || !newest_wins || !options.deletion_vectors,
            newest_wins,
        })
    }

    /// Which changes a merge into `output_level` tells.
    pub fn changelog(&self, output_level: i32, max_level: i32) -> Option<ChangelogRules> {
        let moment = match self.producer {
            ChangelogProducer::None | ChangelogProducer::Input => return None,
            ChangelogProducer::Lookup => ChangelogMoment::Lookup,
            ChangelogProducer::FullCompaction if output_level == max_level => {
                ChangelogMoment::FullCompaction {
                    top_level: max_level,
                }
            }
            ChangelogProducer::FullCompaction => return None,
        };
        Some(ChangelogRules {
            moment,
            compared: self.compared.clone(),
        })
    }

    /// Whether the rows found below take part in the merge.
    pub fn merges_rows_below(&self) -> bool {
        self.lookup && self.rows_matter
    }

    /// Whether records alone in their key are merged, too, where new files take part. Source:
    /// `LookupMergeTreeCompactRewriter`.
    pub fn folds_single(&self) -> bool {
        self.lookup && self.producer != ChangelogProducer::FullCompaction
    }

    /// What becomes of a file alone in its key range that is to move to `output_level`. `same_format`: files there have
    /// the format of this one. `outdated`: deeper files may have later sequence numbers, as of writers that raced.
    pub fn upgrade(
        &self,
        file: &DataFileMeta,
        (output_level, max_level): (i32, i32),
        same_format: bool,
        outdated: bool,
    ) -> Upgrade {
        if self.producer == ChangelogProducer::FullCompaction {
            return match output_level == max_level && file.level != max_level {
                true => Upgrade::Track,
                false => Upgrade::Move,
            };
        }
        if !self.lookup || file.level != 0 {
            return Upgrade::Move;
        }
        let deletes = self.vectors && file.delete_row_count != Some(0);
        // else the levels would hold the rows in another order than their sequence numbers say
        let outdated = outdated && self.merges_rows_below();
        if !same_format || deletes || outdated {
            return Upgrade::Rewrite;
        }
        match output_level == max_level || self.newest_wins {
            true => Upgrade::Track,
            false => Upgrade::Rewrite,
        }
    }
}

fn compared_columns(table: &Table) -> Result<Option<Vec<usize>>> {
    const SWITCH: &str = "changelog-producer.row-deduplicate";
    const IGNORED: &str = "changelog-producer.row-deduplicate-ignore-fields";
    let options = table.options();
    let on = options.get(SWITCH).map(parse_bool).transpose();
    if !on.map_err(|e| e.with("option", SWITCH))?.unwrap_or(false) {
        return Ok(None);
    }
    let fields = &table.schema().fields;
    let ignored: Vec<&str> = match options.get(IGNORED) {
        Some(names) => names.split(',').map(str::trim).collect(),
        None => Vec::new(),
    };
    if let Some(name) = ignored
        .iter()
        .find(|name| !fields.iter().any(|f| f.name == **name))
    {
        return Err(
            Error::invalid(format!("{name:?} is not a column of the table"))
                .with("option", IGNORED),
        );
    }
    let compared = fields.iter().enumerate();
    let compared = compared.filter(|(_, f)| !ignored.contains(&f.name.as_str()));
    Ok(Some(compared.map(|(i, _)| i).collect()))
}
