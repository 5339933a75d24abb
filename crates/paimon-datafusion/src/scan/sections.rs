//! Sections whose rows are decided by bits: merged sections, files with deletion vectors, files with indexes.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, Time};
use paimon_core::predicate::Predicate;
use paimon_core::read::{
    DataSplit, FileOutcome, FileSelection, MergeRules, Partition, Section, SectionOutcome,
    SortedRun, SplitFile, SplitKind, indexed_rows, key_filter, live_rows, merge_section,
};
use paimon_core::table::Table;
use tokio::sync::OnceCell;

use super::survivors::ReadContext;
use super::{ScanRequest, balance, outcome_cache};
use crate::error::to_datafusion;

/// Rows below which a file is not shared between partitions.
pub(super) const SHARED_ROWS_MIN: usize = 64 * 1024;

/// A section and, once known, which of its rows survive.
pub(super) struct SharedSection {
    pub(super) partition: Arc<Partition>,
    pub(super) section: Section,
    /// Whether deletion vectors and file indexes alone decide.
    unmerged: bool,
    outcome: OnceCell<Arc<SectionOutcome>>,
}

/// One partition's part of a section: share `index` of `of`.
#[derive(Debug, Clone)]
pub struct Share {
    /// The section.
    pub section: usize,
    /// Which of its shares.
    pub index: usize,
    /// How many there are.
    pub of: usize,
}

/// A section of a merge scan.
#[derive(Debug, Clone)]
pub struct CarriedSection {
    /// Its partition.
    pub partition: Arc<Partition>,
    /// Its files.
    pub section: Section,
    /// Whether deletion vectors and file indexes alone decide which rows survive.
    pub unmerged: bool,
}

/// What all executions of a plan share; outcomes are kept across them, data files being immutable.
pub(super) struct Work {
    pub(super) table: Table,
    rules: MergeRules,
    /// What file indexes are asked.
    filter: Predicate,
    /// Narrows key merges that no cache knows: their outcome is right for matching keys alone.
    key_filter: Predicate,
    pub(super) sections: Vec<SharedSection>,
    pub(super) shares: Vec<Vec<Share>>,
}

/// Counters of one partition.
#[derive(Clone)]
pub(super) struct ScanMetrics {
    sections: Count,
    pub(super) files: Count,
    rows_merged_away: Count,
    cached: Count,
    key_merge_time: Time,
}

impl ScanMetrics {
    pub(super) fn new(set: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(set).counter(name, partition);
        Self {
            sections: counter("sections"),
            files: counter("files_read"),
            rows_merged_away: counter("rows_merged_away"),
            cached: counter("sections_from_cache"),
            key_merge_time: MetricBuilder::new(set).subset_time("key_merge_time", partition),
        }
    }
}

impl Work {
    /// The sections of splits: merged ones as they are, raw files as one run.
    pub(super) fn new(request: &ScanRequest, splits: Vec<DataSplit>) -> Self {
        let mut sections = Vec::new();
        for split in splits {
            let (own, unmerged) = match split.kind {
                SplitKind::Merge(own) => (own, false),
                SplitKind::Raw(files) => (files.into_iter().map(section_of).collect(), true),
                SplitKind::Columns(_) => (Vec::new(), true),
            };
            sections.extend(own.into_iter().map(|section| CarriedSection {
                partition: split.partition.clone(),
                section,
                unmerged,
            }));
        }
        let sections = shared(sections);
        let shares = share_out(&sections, request.partitions);
        Self::of_shares(&request.table, request.predicate.clone(), sections, shares)
    }

    /// Sections and the shares of each partition in them.
    ///
    /// # Errors
    /// When a share is none of the sections.
    pub(super) fn carried(
        table: &Table,
        filter: Predicate,
        sections: Vec<CarriedSection>,
        shares: Vec<Vec<Share>>,
    ) -> Result<Self> {
        let fits = |s: &Share| s.section < sections.len() && s.index < s.of;
        if let Some(share) = shares.iter().flatten().find(|s| !fits(s)) {
            return Err(DataFusionError::Plan(format!(
                "a share of {} sections is expected, found {share:?}",
                sections.len()
            )));
        }
        Ok(Self::of_shares(table, filter, shared(sections), shares))
    }

    fn of_shares(
        table: &Table,
        filter: Predicate,
        sections: Vec<SharedSection>,
        shares: Vec<Vec<Share>>,
    ) -> Self {
        Self {
            table: table.clone(),
            rules: MergeRules::of(table),
            key_filter: key_filter(table, &filter),
            filter,
            sections,
            shares,
        }
    }

    /// What file indexes are asked.
    pub(super) fn filter(&self) -> &Predicate {
        &self.filter
    }

    /// The sections, without what is known of their rows.
    pub(super) fn carried_sections(&self) -> Vec<CarriedSection> {
        let carried = |s: &SharedSection| CarriedSection {
            partition: s.partition.clone(),
            section: s.section.clone(),
            unmerged: s.unmerged,
        };
        self.sections.iter().map(carried).collect()
    }

    /// Bytes of all files.
    pub(super) fn file_bytes(&self) -> u64 {
        let runs = self.sections.iter().flat_map(|s| &s.section.runs);
        let files = runs.flat_map(|run| &run.files);
        files
            .map(|f| u64::try_from(f.meta.file_size).unwrap_or(0))
            .sum()
    }

    /// Which rows of a section survive; found once, by whoever asks first.
    pub(super) async fn outcome(
        &self,
        section: usize,
        around: &ReadContext,
    ) -> Result<Arc<SectionOutcome>> {
        let shared = &self.sections[section];
        let outcome = shared
            .outcome
            .get_or_try_init(|| self.find_outcome(shared, around))
            .await?;
        around.metrics.sections.add(1);
        Ok(outcome.clone())
    }

    async fn find_outcome(
        &self,
        shared: &SharedSection,
        around: &ReadContext,
    ) -> Result<Arc<SectionOutcome>> {
        let metrics = &around.metrics;
        let rules = if shared.unmerged {
            "unmerged".to_string()
        } else {
            format!("{:?}", self.rules)
        };
        let key = outcome_cache::key_of(&shared.section, &rules);
        if let Some(known) = outcome_cache::get(&key) {
            metrics.cached.add(1);
            return Ok(known);
        }
        if shared.unmerged {
            let (outcome, exact) = self.unmerged_rows(shared).await?;
            let outcome = Arc::new(outcome);
            if exact {
                outcome_cache::put(key, outcome.clone());
            }
            return Ok(outcome);
        }
        let mut rules = self.rules.clone();
        rules.key_filter = self.key_filter.clone();
        let timer = metrics.key_merge_time.timer();
        let memory = around.memory.bytes;
        let (partition, section) = (&shared.partition, &shared.section);
        let merged = merge_section(&self.table, partition, section, &rules, memory)
            .await
            .map_err(to_datafusion)?;
        timer.done();
        let merged = Arc::new(merged);
        if rules.key_filter == Predicate::AlwaysTrue {
            let files = merged.files.iter().flatten();
            let physical: usize = files.map(|f| f.keep.rows()).sum();
            metrics.rows_merged_away.add(physical - merged.kept_rows());
            outcome_cache::put(key, merged.clone());
        }
        Ok(merged)
    }

    /// The rows that deletion vectors and file indexes leave, and whether the filter had no part in it.
    async fn unmerged_rows(&self, shared: &SharedSection) -> Result<(SectionOutcome, bool)> {
        let mut outcome = SectionOutcome::default();
        let mut exact = true;
        for run in &shared.section.runs {
            let mut files = Vec::with_capacity(run.files.len());
            for file in &run.files {
                let live = live_rows(&self.table, file).await.map_err(to_datafusion)?;
                let indexed = indexed_rows(&self.table, &shared.partition, file, &self.filter)
                    .await
                    .map_err(to_datafusion)?;
                exact &= indexed.is_none();
                let rows = usize::try_from(file.meta.row_count).map_err(|_| {
                    DataFusionError::External("row count in the manifest is negative".into())
                })?;
                let keep = match (live, indexed) {
                    (Some(a), Some(b)) => a.intersect(&b),
                    (Some(one), None) | (None, Some(one)) => one,
                    (None, None) => FileSelection::all(rows),
                };
                files.push(FileOutcome {
                    keep: Arc::new(keep),
                    fold: None,
                });
            }
            outcome.files.push(files);
        }
        Ok((outcome, exact))
    }
}

/// Sections of which nothing is known yet.
fn shared(sections: Vec<CarriedSection>) -> Vec<SharedSection> {
    let shared = |s: CarriedSection| SharedSection {
        partition: s.partition,
        section: s.section,
        unmerged: s.unmerged,
        outcome: OnceCell::new(),
    };
    sections.into_iter().map(shared).collect()
}

/// A file alone.
fn section_of(file: SplitFile) -> Section {
    Section {
        runs: vec![SortedRun {
            level: file.meta.level,
            files: vec![file],
        }],
    }
}

/// Spreads sections over partitions: whole ones while there are plenty, else cut into shares so that every partition
/// has work.
fn share_out(sections: &[SharedSection], partitions: usize) -> Vec<Vec<Share>> {
    let rows = |s: &SharedSection| -> u64 {
        let files = s.section.runs.iter().flat_map(|r| &r.files);
        files
            .map(|f| u64::try_from(f.meta.row_count).unwrap_or(0))
            .sum()
    };
    let total: u64 = sections.iter().map(rows).sum();
    let fair = total / (partitions as u64).max(1);
    let mut shares = Vec::new();
    for (i, section) in sections.iter().enumerate() {
        let own = rows(section);
        let big = own > SHARED_ROWS_MIN as u64 && own * 2 > fair && sections.len() < 2 * partitions;
        let uneven = !sections.len().is_multiple_of(partitions) || sections.len() < partitions;
        let of = if big && uneven { partitions } else { 1 };
        shares.extend((0..of).map(|index| {
            (
                own / of as u64,
                Share {
                    section: i,
                    index,
                    of,
                },
            )
        }));
    }
    balance(shares, partitions, |(rows, _)| *rows)
        .into_iter()
        .map(|own| own.into_iter().map(|(_, share)| share).collect())
        .collect()
}
