//! Options of tags that are made by themselves.

use std::time::Duration;

use super::{CoreOptions, Reader};
use crate::error::{Error, Result};

/// The typed options of automatic tags. Source: `CoreOptions`, `TagPeriodHandler`.
#[derive(Debug, Clone, PartialEq)]
pub struct TaggingOptions {
    /// `tag.automatic-creation`
    pub creation: TagCreation,
    /// `tag.creation-period-duration`, else `tag.creation-period`
    pub period: TagPeriod,
    /// `tag.period-formatter`
    pub format: TagFormat,
    /// `tag.creation-delay`, shorter than the period.
    pub delay: Duration,
    /// `tag.automatic-completion`
    pub completes: bool,
    /// `tag.num-retained-max`
    pub count_max: Option<usize>,
    /// `sink.process-time-zone`; the system's zone where unset.
    pub process_zone: Option<String>,
    /// `sink.watermark-time-zone`
    pub watermark_zone: String,
    /// `tag.batch.customized-name`
    pub batch_name: Option<String>,
}

/// What tags are made by (`tag.automatic-creation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagCreation {
    /// Nothing.
    None,
    /// The time of the snapshot.
    ProcessTime,
    /// Its watermark.
    Watermark,
    /// Every commit: one tag a day.
    Batch,
}

/// How much time a tag stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagPeriod {
    /// A day.
    Daily,
    /// An hour.
    Hourly,
    /// Two hours.
    TwoHours,
    /// A free duration, at least a minute.
    Free(Duration),
}

impl TagPeriod {
    /// Its length.
    pub fn length(self) -> Duration {
        const HOUR: u64 = 3600;
        match self {
            TagPeriod::Daily => Duration::from_secs(24 * HOUR),
            TagPeriod::Hourly => Duration::from_secs(HOUR),
            TagPeriod::TwoHours => Duration::from_secs(2 * HOUR),
            TagPeriod::Free(length) => length,
        }
    }
}

/// How times are written in names of tags (`tag.period-formatter`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagFormat {
    /// `2024-01-31 07`
    WithDashes,
    /// `20240131 07`
    WithoutDashes,
    /// `2024013107`
    WithoutDashesAndSpaces,
}

impl TaggingOptions {
    /// Reads them from a table's options.
    ///
    /// # Errors
    /// `InvalidInput` for a malformed value, naming the key.
    pub fn new(options: &CoreOptions) -> Result<Self> {
        let o = Reader { map: options.map() };
        let creation = o.one_of(
            "tag.automatic-creation",
            TagCreation::None,
            &[
                ("none", TagCreation::None),
                ("process-time", TagCreation::ProcessTime),
                ("watermark", TagCreation::Watermark),
                ("batch", TagCreation::Batch),
            ],
        )?;
        let tagging = Self {
            creation,
            period: period(&o)?,
            format: o.one_of(
                "tag.period-formatter",
                TagFormat::WithDashes,
                &[
                    ("with_dashes", TagFormat::WithDashes),
                    ("without_dashes", TagFormat::WithoutDashes),
                    (
                        "without_dashes_and_spaces",
                        TagFormat::WithoutDashesAndSpaces,
                    ),
                ],
            )?,
            delay: o.duration("tag.creation-delay")?.unwrap_or_default(),
            completes: o.bool("tag.automatic-completion", false)?,
            count_max: match o.text("tag.num-retained-max") {
                Some(_) => Some(o.number("tag.num-retained-max", 1, 1)?),
                None => None,
            },
            process_zone: o.text("sink.process-time-zone"),
            watermark_zone: o
                .text("sink.watermark-time-zone")
                .unwrap_or_else(|| "UTC".into()),
            batch_name: o.text("tag.batch.customized-name"),
        };
        if tagging.delay >= tagging.period.length() {
            return Err(Error::invalid(format!(
                "a delay must be shorter than the period of tags, found {:?} and {:?}",
                tagging.delay,
                tagging.period.length()
            ))
            .with("option", "tag.creation-delay"));
        }
        Ok(tagging)
    }
}

fn period(o: &Reader<'_>) -> Result<TagPeriod> {
    const FREE: &str = "tag.creation-period-duration";
    match o.duration(FREE)? {
        Some(length) if length < Duration::from_secs(60) => Err(Error::invalid(format!(
            "names of tags have minutes: expected at least a minute, found {length:?}"
        ))
        .with("option", FREE)),
        Some(length) => Ok(TagPeriod::Free(length)),
        None => o.one_of(
            "tag.creation-period",
            TagPeriod::Daily,
            &[
                ("daily", TagPeriod::Daily),
                ("hourly", TagPeriod::Hourly),
                ("two-hours", TagPeriod::TwoHours),
            ],
        ),
    }
}
