//! Tags that are made after commits: one for every period that is over, or one a day.
//!
//! Source: `TagAutoCreation`, `TagBatchCreation`. Nothing is remembered between commits but the tags themselves.

mod period;

use std::collections::HashMap;

pub(crate) use self::period::Periods;
use self::period::Zone;
use super::tags::make_tag;
use super::{NewTag, delete_tag};
use crate::commit::{BATCH_COMMIT_IDENTIFIER, CommitContext, FileStoreCommit};
use crate::error::Result;
use crate::options::{TagCreation, TaggingOptions};
use crate::snapshot::{TagInfo, list_tags, read_tag};
use crate::spec::{ManifestCommittable, Snapshot};
use crate::table::Table;

/// Names of the tags that batch commits make begin with this.
const BATCH_PREFIX: &str = "batch-write-";

/// Makes the tags that are due by `tag.automatic-creation` and removes those beyond `tag.num-retained-max`. Returns the
/// names of new ones.
///
/// # Errors
/// `InvalidInput` for malformed options, `Damaged` for a broken snapshot or tag.
///
/// # Cancel safety
/// The next call makes what a cancelled one did not; the tag of a batch commit may be missing until then.
pub async fn create_due_tags(table: &Table, context: &CommitContext) -> Result<Vec<String>> {
    let options = TaggingOptions::new(table.options())?;
    match options.creation {
        TagCreation::None => Ok(Vec::new()),
        TagCreation::Batch => batch_tag(table, &options, context).await,
        TagCreation::ProcessTime | TagCreation::Watermark => {
            let mut tagger = Tagger::new(table, options, context).await?;
            tagger.run().await?;
            Ok(tagger.made)
        }
    }
}

/// As [`create_due_tags`]; when by process time a period is over now and no snapshot stands for it, an empty commit
/// makes one. Source: `TriggerTagAutomaticCreationProcedure`.
///
/// # Errors
/// As [`create_due_tags`] and of a commit.
///
/// # Cancel safety
/// As [`create_due_tags`]; the empty commit may have taken effect.
pub async fn trigger_tags(table: &Table, context: &CommitContext) -> Result<Vec<String>> {
    let mut made = create_due_tags(table, context).await?;
    let options = TaggingOptions::new(table.options())?;
    if options.creation != TagCreation::ProcessTime {
        return Ok(made);
    }
    let tagger = Tagger::new(table, options, context).await?;
    let now = tagger.zone.local_ms(context.clock.epoch_ms());
    if now.is_some_and(|now| tagger.is_due(now)) {
        commit_nothing(table, context).await?;
        made.extend(create_due_tags(table, context).await?);
    }
    Ok(made)
}

async fn commit_nothing(table: &Table, context: &CommitContext) -> Result<()> {
    let keep = HashMap::from([("snapshot.ignore-empty-commit".into(), "false".into())]);
    let table = table.with_options(&keep).await?;
    let user = context.ids.uuid().to_string();
    let commit = FileStoreCommit::new(&table, &user, context.clone())?;
    let nothing = ManifestCommittable {
        identifier: BATCH_COMMIT_IDENTIFIER,
        ..ManifestCommittable::default()
    };
    commit.commit(&nothing).await.map(drop)
}

/// Tags the newest snapshot; a tag of the day that is there already is given to it.
async fn batch_tag(
    table: &Table,
    options: &TaggingOptions,
    context: &CommitContext,
) -> Result<Vec<String>> {
    let Some(snapshot) = table.snapshots().latest().await? else {
        return Ok(Vec::new());
    };
    let name = match &options.batch_name {
        Some(name) => name.clone(),
        None => {
            let local = Zone::System.local_ms(snapshot.time_millis);
            let time = local.and_then(chrono::DateTime::from_timestamp_millis);
            let day = time.unwrap_or_default().format("%Y-%m-%d");
            format!("{BATCH_PREFIX}{day}")
        }
    };
    match read_tag(table.io(), &table.metadata_root()?, &name).await? {
        Some(tag) if tag.snapshot.id == snapshot.id => return Ok(Vec::new()),
        Some(_) => delete_tag(table, &name).await?,
        None => {}
    }
    let made = make(table, &name, snapshot.id, context).await?;
    if let Some(most) = options.count_max {
        keep_newest(table, most, |name| name.starts_with(BATCH_PREFIX)).await?;
    }
    Ok(made.then_some(name).into_iter().collect())
}

/// Whether the tag is new; one of that name stays.
async fn make(table: &Table, name: &str, id: i64, context: &CommitContext) -> Result<bool> {
    let tag = NewTag {
        name: name.to_string(),
        snapshot_id: Some(id),
        time_retained_ms: None,
    };
    let made = make_tag(table, &tag, context.clock.local_ms()).await?;
    Ok(made.is_some())
}

/// Removes the tags of the oldest snapshots until `most` of those that `is_own` accepts are left.
async fn keep_newest(table: &Table, most: usize, is_own: impl Fn(&str) -> bool) -> Result<()> {
    let mut own = list_tags(table.io(), &table.metadata_root()?).await?;
    own.retain(|t| is_own(&t.name));
    let surplus = own.len().saturating_sub(most);
    for tag in own.iter().take(surplus) {
        delete_tag(table, &tag.name).await?;
    }
    Ok(())
}

/// Goes through the snapshots that were not considered yet.
struct Tagger<'a> {
    table: &'a Table,
    context: &'a CommitContext,
    options: TaggingOptions,
    periods: Periods,
    zone: Zone,
    /// First snapshot to consider.
    next_snapshot: i64,
    /// Start of the period whose tag comes next; without any tag yet the first snapshot makes one.
    next_period: Option<i64>,
    made: Vec<String>,
}

impl<'a> Tagger<'a> {
    async fn new(
        table: &'a Table,
        options: TaggingOptions,
        context: &'a CommitContext,
    ) -> Result<Self> {
        let periods = Periods::new(&options);
        let zone = match options.creation {
            TagCreation::Watermark => {
                Zone::new(Some(&options.watermark_zone), "sink.watermark-time-zone")?
            }
            _ => Zone::new(options.process_zone.as_deref(), "sink.process-time-zone")?,
        };
        let tags = list_tags(table.io(), &table.metadata_root()?).await?;
        let start = |t: &TagInfo| Some((t.tag.snapshot.id, periods.start(&t.name)?));
        let last = tags.iter().filter_map(start).max();
        let next_period = last.map(|(_, start)| start.saturating_add(periods.length));
        Ok(Self {
            table,
            context,
            options,
            zone,
            next_snapshot: last.map_or(1, |(id, _)| id + 1),
            next_period,
            periods,
            made: Vec::new(),
        })
    }

    async fn run(&mut self) -> Result<()> {
        let snapshots = self.table.snapshots();
        let Some(newest) = snapshots.latest().await? else {
            return Ok(());
        };
        // times and watermarks grow: when it is not time at the newest snapshot it was not before
        if !self.time(&newest).is_some_and(|time| self.is_due(time)) {
            return Ok(());
        }
        for id in snapshots.ids().await? {
            if id >= self.next_snapshot
                && let Some(snapshot) = snapshots.try_get(id).await?
            {
                self.consider(&snapshot).await?;
            }
        }
        Ok(())
    }

    /// Local time of a snapshot, milliseconds read as UTC.
    fn time(&self, snapshot: &Snapshot) -> Option<i64> {
        let epoch_ms = match self.options.creation {
            TagCreation::Watermark => snapshot.watermark.filter(|w| *w >= 0)?,
            _ => snapshot.time_millis,
        };
        self.zone.local_ms(epoch_ms)
    }

    /// Whether the next period was over, and the delay too.
    fn is_due(&self, time: i64) -> bool {
        let delay = i64::try_from(self.options.delay.as_millis()).unwrap_or(i64::MAX);
        self.next_period.is_none_or(|start| {
            time.saturating_sub(delay) >= start.saturating_add(self.periods.length)
        })
    }

    async fn consider(&mut self, snapshot: &Snapshot) -> Result<()> {
        let Some(time) = self.time(snapshot).filter(|time| self.is_due(*time)) else {
            return Ok(());
        };
        let start = match self.next_period {
            Some(missing) if self.options.completes => missing,
            _ => self.periods.last_over(time),
        };
        let name = self.periods.name(start)?;
        if make(self.table, &name, snapshot.id, self.context).await? {
            self.made.push(name);
        }
        self.next_period = Some(start.saturating_add(self.periods.length));
        match self.options.count_max {
            Some(most) => {
                let periods = &self.periods;
                keep_newest(self.table, most, |name| periods.start(name).is_some()).await
            }
            None => Ok(()),
        }
    }
}
