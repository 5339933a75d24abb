//! Splits: files and the way to read them.

use std::sync::Arc;

use bytes::Bytes;
use paimon_core::Result;
use paimon_core::read::{
    ChangeSplit, DataSplit, Partition, Section, SortedRun, SplitFile, SplitKind,
};
use paimon_datafusion::nodes::{CarriedSection, ChangePart, NumberedFile, Share, TargetFile};
use prost::{Message, Oneof};

use super::file::FileMessage;
use super::predicate::DatumMessage;
use crate::envelope::{narrow, required, wide};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PartitionMessage {
    #[prost(bytes = "bytes", tag = "1")]
    bytes: Bytes,
    #[prost(message, repeated, tag = "2")]
    values: Vec<DatumMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct FilesMessage {
    #[prost(message, repeated, tag = "1")]
    files: Vec<FileMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct GroupsMessage {
    #[prost(message, repeated, tag = "1")]
    groups: Vec<FilesMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct RunMessage {
    #[prost(sint32, tag = "1")]
    level: i32,
    #[prost(message, repeated, tag = "2")]
    files: Vec<FileMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct SectionMessage {
    #[prost(message, repeated, tag = "1")]
    runs: Vec<RunMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct SectionsMessage {
    #[prost(message, repeated, tag = "1")]
    sections: Vec<SectionMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SplitMessage {
    #[prost(sint64, tag = "1")]
    snapshot_id: i64,
    #[prost(message, optional, tag = "2")]
    partition: Option<PartitionMessage>,
    #[prost(sint32, tag = "3")]
    bucket: i32,
    #[prost(sint32, tag = "4")]
    total_buckets: i32,
    #[prost(oneof = "KindMessage", tags = "5, 6, 7")]
    kind: Option<KindMessage>,
}

#[derive(Clone, PartialEq, Oneof)]
enum KindMessage {
    #[prost(message, tag = "5")]
    Raw(FilesMessage),
    #[prost(message, tag = "6")]
    Merge(SectionsMessage),
    #[prost(message, tag = "7")]
    Columns(GroupsMessage),
}

#[derive(Clone, PartialEq, Message)]
struct ChangesMessage {
    #[prost(sint64, tag = "1")]
    snapshot_id: i64,
    #[prost(message, optional, tag = "2")]
    partition: Option<PartitionMessage>,
    #[prost(sint32, tag = "3")]
    bucket: i32,
    #[prost(message, optional, tag = "4")]
    files: Option<FilesMessage>,
    #[prost(message, optional, tag = "5")]
    before: Option<FilesMessage>,
}

/// A unit of work of a scan of changes.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PartMessage {
    #[prost(oneof = "PartKind", tags = "1, 2")]
    kind: Option<PartKind>,
}

#[derive(Clone, PartialEq, Oneof)]
enum PartKind {
    #[prost(message, tag = "1")]
    Changes(ChangesMessage),
    #[prost(message, tag = "2")]
    State(SplitMessage),
}

/// A section of a merge scan.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct CarriedSectionMessage {
    #[prost(message, optional, tag = "1")]
    partition: Option<PartitionMessage>,
    #[prost(message, optional, tag = "2")]
    section: Option<SectionMessage>,
    #[prost(bool, tag = "3")]
    unmerged: bool,
}

/// A share of a section.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ShareMessage {
    #[prost(uint64, tag = "1")]
    section: u64,
    #[prost(uint64, tag = "2")]
    index: u64,
    #[prost(uint64, tag = "3")]
    of: u64,
}

/// A file and its number.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct NumberedFileMessage {
    #[prost(sint32, tag = "1")]
    number: i32,
    #[prost(message, optional, tag = "2")]
    partition: Option<PartitionMessage>,
    #[prost(message, optional, tag = "3")]
    file: Option<FileMessage>,
    #[prost(sint32, tag = "4")]
    bucket: i32,
}

/// A file of the target of a statement.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TargetFileMessage {
    #[prost(message, optional, tag = "1")]
    partition: Option<PartitionMessage>,
    #[prost(sint32, tag = "2")]
    bucket: i32,
    #[prost(sint32, tag = "3")]
    total_buckets: i32,
    #[prost(message, optional, tag = "4")]
    file: Option<FileMessage>,
}

impl From<&Partition> for PartitionMessage {
    fn from(partition: &Partition) -> Self {
        Self {
            bytes: partition.bytes.clone(),
            values: partition.values.iter().map(DatumMessage::from).collect(),
        }
    }
}

fn partition(message: Option<PartitionMessage>) -> Result<Arc<Partition>> {
    let message = required(message, "partition")?;
    let values = message.values.into_iter().map(DatumMessage::value);
    Ok(Arc::new(Partition {
        bytes: message.bytes,
        values: values.collect::<Result<_>>()?,
    }))
}

fn files(files: &[SplitFile]) -> FilesMessage {
    FilesMessage {
        files: files.iter().map(FileMessage::from).collect(),
    }
}

fn of_files(files: Vec<FileMessage>) -> Result<Vec<SplitFile>> {
    files.into_iter().map(FileMessage::value).collect()
}

impl From<&Section> for SectionMessage {
    fn from(section: &Section) -> Self {
        let run = |run: &SortedRun| RunMessage {
            level: run.level,
            files: run.files.iter().map(FileMessage::from).collect(),
        };
        Self {
            runs: section.runs.iter().map(run).collect(),
        }
    }
}

impl SectionMessage {
    fn value(self) -> Result<Section> {
        let run = |run: RunMessage| {
            Ok(SortedRun {
                level: run.level,
                files: of_files(run.files)?,
            })
        };
        let runs = self.runs.into_iter().map(run).collect::<Result<_>>()?;
        Ok(Section { runs })
    }
}

impl From<&DataSplit> for SplitMessage {
    fn from(split: &DataSplit) -> Self {
        let kind = match &split.kind {
            SplitKind::Raw(own) => KindMessage::Raw(files(own)),
            SplitKind::Merge(sections) => KindMessage::Merge(SectionsMessage {
                sections: sections.iter().map(SectionMessage::from).collect(),
            }),
            SplitKind::Columns(groups) => KindMessage::Columns(GroupsMessage {
                groups: groups.iter().map(|g| files(g)).collect(),
            }),
        };
        Self {
            snapshot_id: split.snapshot_id,
            partition: Some(PartitionMessage::from(split.partition.as_ref())),
            bucket: split.bucket,
            total_buckets: split.total_buckets,
            kind: Some(kind),
        }
    }
}

impl SplitMessage {
    pub(crate) fn value(self) -> Result<DataSplit> {
        let kind = match required(self.kind, "files")? {
            KindMessage::Raw(own) => SplitKind::Raw(of_files(own.files)?),
            KindMessage::Merge(own) => {
                let sections = own.sections.into_iter().map(SectionMessage::value);
                SplitKind::Merge(sections.collect::<Result<_>>()?)
            }
            KindMessage::Columns(own) => {
                let groups = own.groups.into_iter().map(|g| of_files(g.files));
                SplitKind::Columns(groups.collect::<Result<_>>()?)
            }
        };
        Ok(DataSplit {
            snapshot_id: self.snapshot_id,
            partition: partition(self.partition)?,
            bucket: self.bucket,
            total_buckets: self.total_buckets,
            kind,
        })
    }
}

impl From<&ChangePart> for PartMessage {
    fn from(part: &ChangePart) -> Self {
        let kind = match part {
            ChangePart::State(split) => PartKind::State(SplitMessage::from(split)),
            ChangePart::Changes(split) => PartKind::Changes(ChangesMessage {
                snapshot_id: split.snapshot_id,
                partition: Some(PartitionMessage::from(split.partition.as_ref())),
                bucket: split.bucket,
                files: Some(files(&split.files)),
                before: split.before.as_ref().map(|b| files(b)),
            }),
        };
        Self { kind: Some(kind) }
    }
}

impl PartMessage {
    pub(crate) fn value(self) -> Result<ChangePart> {
        Ok(match required(self.kind, "part")? {
            PartKind::State(split) => ChangePart::State(split.value()?),
            PartKind::Changes(split) => ChangePart::Changes(ChangeSplit {
                snapshot_id: split.snapshot_id,
                partition: partition(split.partition)?,
                bucket: split.bucket,
                files: of_files(required(split.files, "files")?.files)?,
                before: split.before.map(|b| of_files(b.files)).transpose()?,
            }),
        })
    }
}

impl From<&CarriedSection> for CarriedSectionMessage {
    fn from(section: &CarriedSection) -> Self {
        Self {
            partition: Some(PartitionMessage::from(section.partition.as_ref())),
            section: Some(SectionMessage::from(&section.section)),
            unmerged: section.unmerged,
        }
    }
}

impl CarriedSectionMessage {
    pub(crate) fn value(self) -> Result<CarriedSection> {
        Ok(CarriedSection {
            partition: partition(self.partition)?,
            section: required(self.section, "section")?.value()?,
            unmerged: self.unmerged,
        })
    }
}

impl From<&Share> for ShareMessage {
    fn from(share: &Share) -> Self {
        Self {
            section: wide(share.section),
            index: wide(share.index),
            of: wide(share.of),
        }
    }
}

impl ShareMessage {
    pub(crate) fn value(self) -> Result<Share> {
        Ok(Share {
            section: narrow(self.section, "a section")?,
            index: narrow(self.index, "a share")?,
            of: narrow(self.of, "a number of shares")?,
        })
    }
}

impl From<&NumberedFile> for NumberedFileMessage {
    fn from(file: &NumberedFile) -> Self {
        Self {
            number: file.number,
            partition: Some(PartitionMessage::from(file.partition.as_ref())),
            bucket: file.bucket,
            file: Some(FileMessage::from(&file.file)),
        }
    }
}

impl NumberedFileMessage {
    pub(crate) fn value(self) -> Result<NumberedFile> {
        Ok(NumberedFile {
            number: self.number,
            partition: partition(self.partition)?,
            bucket: self.bucket,
            file: required(self.file, "file")?.value()?,
        })
    }
}

impl From<&TargetFile> for TargetFileMessage {
    fn from(file: &TargetFile) -> Self {
        Self {
            partition: Some(PartitionMessage::from(file.partition.as_ref())),
            bucket: file.bucket,
            total_buckets: file.total_buckets,
            file: Some(FileMessage::from(&file.file)),
        }
    }
}

impl TargetFileMessage {
    pub(crate) fn value(self) -> Result<TargetFile> {
        Ok(TargetFile {
            partition: partition(self.partition)?,
            bucket: self.bucket,
            total_buckets: self.total_buckets,
            file: required(self.file, "file")?.value()?,
        })
    }
}
