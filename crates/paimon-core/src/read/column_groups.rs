//! Data evolution: files of one row-id range hold columns of the same rows and are read side by side.
//!
//! Each column comes from the newest file that has it; deletion vectors refer to the oldest normal file.
//! Source: `DataEvolutionSplitRead`.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use futures::StreamExt;

use super::file::row_ids::with_row_ids;
use super::file::scan::{FileScan, live_rows};
use super::split::{Partition, SplitFile, anchor_of, is_side_file};
use super::split_read::{FILES_AT_ONCE, SplitRead};
use crate::arrow_bridge::{arrow_field, arrow_type};
use crate::error::{Error, Result};
use crate::format::BatchStream;
use crate::spec::{DataField, ROW_ID, SEQUENCE_NUMBER, SYSTEM_ID_MIN};

/// Where a wanted column comes from.
#[derive(Clone)]
enum Source {
    /// Column of a part.
    Part(usize, usize),
    /// No file has it.
    Missing,
}

/// Reads one group of files.
pub(super) async fn read_column_group(
    read: &SplitRead,
    partition: &Arc<Partition>,
    group: Vec<SplitFile>,
) -> Result<BatchStream> {
    let (side, mut normal): (Vec<_>, Vec<_>) = group
        .into_iter()
        .partition(|f| is_side_file(&f.meta.file_name));
    let wants_side = wanted_side_columns(read, &side).await?;
    if wants_side.is_empty() && normal.len() == 1 {
        let file = normal.remove(0);
        let mut scan = FileScan::new(&read.table, partition, &file, &read.fields);
        scan.filter = read.filter.clone();
        scan.batch_size = read.batch_size;
        scan.step_bytes = read.memory.step_bytes(FILES_AT_ONCE, scan.step_bytes);
        return with_row_ids(scan).await;
    }
    check_same_rows(&normal)?;
    normal.sort_by_key(|f| std::cmp::Reverse(f.meta.max_sequence_number));
    let mut parts: Vec<(Vec<SplitFile>, Vec<DataField>)> = normal
        .iter()
        .map(|f| (vec![f.clone()], Vec::new()))
        .collect();
    let mut sources = Vec::with_capacity(read.fields.len());
    for field in &read.fields {
        sources.push(
            if let Some((_, files)) = wants_side.iter().find(|(id, _)| *id == field.id) {
                parts.push((files.clone(), vec![field.clone()]));
                Source::Part(parts.len() - 1, 0)
            } else {
                source_of(read, &normal, &mut parts, field).await?
            },
        );
    }
    let anchor = anchor_of(&normal).or(side.first());
    let Some(anchor) = anchor.cloned() else {
        return Err(Error::damaged("a row-id range has no data file"));
    };
    if parts.iter().all(|(_, fields)| fields.is_empty()) {
        // only columns that no file has: some part must still give the rows
        if let Some(first) = parts.first_mut() {
            first.1.push(crate::spec::row_id_field());
        }
    }
    let live = live_rows(&read.table, &anchor).await?.map(Arc::new);
    let mut inputs = Vec::new();
    let mut part_index = vec![usize::MAX; parts.len()];
    let at_once = parts.len();
    for (i, (files, fields)) in parts.into_iter().enumerate() {
        if fields.is_empty() {
            continue;
        }
        part_index[i] = inputs.len();
        let mut streams = Vec::new();
        let mut first = 0usize;
        for mut file in files {
            file.deletion = None;
            let rows = usize::try_from(file.meta.row_count).unwrap_or(0);
            let mut scan = FileScan::new(&read.table, partition, &file, &fields);
            scan.batch_size = read.batch_size;
            scan.step_bytes = read.memory.step_bytes(at_once, scan.step_bytes);
            scan.selection = live.as_ref().map(|l| {
                if l.rows() == rows {
                    l.clone()
                } else {
                    let bits = l
                        .bits()
                        .slice(first, rows.min(l.rows().saturating_sub(first)));
                    Arc::new(super::FileSelection::new(bits))
                }
            });
            first += rows;
            streams.push(with_row_ids(scan).await?);
        }
        inputs.push(futures::stream::iter(streams).flatten().boxed());
    }
    for source in &mut sources {
        if let Source::Part(part, _) = source {
            *part = part_index[*part];
        }
    }
    Ok(zip_parts(inputs, sources, read.fields.clone()))
}

/// Columns that side files hold, with the files in row order, newest kept where two cover the same rows.
async fn wanted_side_columns(
    read: &SplitRead,
    side: &[SplitFile],
) -> Result<Vec<(i32, Vec<SplitFile>)>> {
    let mut found: Vec<(i32, Vec<SplitFile>)> = Vec::new();
    for file in side {
        let schema = read.table.schemas().schema(file.meta.schema_id).await?;
        for name in file.meta.write_cols.iter().flatten() {
            let Some(field) = schema.field(name) else {
                continue;
            };
            if !read.fields.iter().any(|f| f.id == field.id) {
                continue;
            }
            match found.iter_mut().find(|(id, _)| *id == field.id) {
                Some((_, files)) => files.push(file.clone()),
                None => found.push((field.id, vec![file.clone()])),
            }
        }
    }
    for (_, files) in &mut found {
        files.sort_by_key(|f| {
            (
                f.meta.first_row_id,
                std::cmp::Reverse(f.meta.max_sequence_number),
            )
        });
        files.dedup_by_key(|f| f.meta.first_row_id);
    }
    Ok(found)
}

fn check_same_rows(files: &[SplitFile]) -> Result<()> {
    let range = |f: &SplitFile| (f.meta.first_row_id, f.meta.row_count);
    match files.iter().find(|f| range(f) != range(&files[0])) {
        None => Ok(()),
        Some(other) => Err(
            Error::damaged("files of one row-id range must cover the same rows")
                .with("path", &other.path),
        ),
    }
}

/// The newest normal file that has the column.
async fn source_of(
    read: &SplitRead,
    normal: &[SplitFile],
    parts: &mut [(Vec<SplitFile>, Vec<DataField>)],
    field: &DataField,
) -> Result<Source> {
    for (i, file) in normal.iter().enumerate() {
        let has = if field.name == ROW_ID || field.name == SEQUENCE_NUMBER {
            field.id >= SYSTEM_ID_MIN
        } else {
            let schema = read.table.schemas().schema(file.meta.schema_id).await?;
            schema.field_by_id(field.id).is_some_and(|f| {
                file.meta
                    .write_cols
                    .as_ref()
                    .is_none_or(|cols| cols.contains(&f.name))
            })
        };
        if has {
            parts[i].1.push(field.clone());
            return Ok(Source::Part(i, parts[i].1.len() - 1));
        }
    }
    Ok(Source::Missing)
}

struct Zip {
    inputs: Vec<BatchStream>,
    waiting: Vec<VecDeque<RecordBatch>>,
}

/// Puts the columns of several streams with the same rows side by side, whatever their batch boundaries.
fn zip_parts(
    inputs: Vec<BatchStream>,
    sources: Vec<Source>,
    fields: Vec<DataField>,
) -> BatchStream {
    let state = Zip {
        waiting: inputs.iter().map(|_| VecDeque::new()).collect(),
        inputs,
    };
    let schema = Arc::new(arrow_schema::Schema::new(
        fields
            .iter()
            .map(|f| arrow_field(f).with_nullable(true))
            .collect::<Vec<_>>(),
    ));
    let fields = Arc::new(fields);
    let sources = Arc::new(sources);
    futures::stream::try_unfold(state, move |mut state| {
        let (schema, fields, sources) = (schema.clone(), fields.clone(), sources.clone());
        async move {
            let Some(parts) = state.next_parts().await? else {
                return Ok(None);
            };
            let rows = parts.first().map_or(0, RecordBatch::num_rows);
            let columns: Vec<ArrayRef> = sources
                .iter()
                .zip(fields.iter())
                .map(|(source, field)| match source {
                    Source::Part(p, c) => parts[*p].column(*c).clone(),
                    Source::Missing => new_null_array(&arrow_type(&field.data_type), rows),
                })
                .collect();
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
            Ok(Some((batch, state)))
        }
    })
    .boxed()
}

impl Zip {
    /// The next batches of all inputs, cut to one length; `None` when all have ended.
    async fn next_parts(&mut self) -> Result<Option<Vec<RecordBatch>>> {
        let mut ended = 0;
        for (input, waiting) in self.inputs.iter_mut().zip(&mut self.waiting) {
            while waiting.front().is_none() {
                match input.next().await {
                    Some(batch) => {
                        let batch = batch?;
                        if batch.num_rows() > 0 {
                            waiting.push_back(batch);
                        }
                    }
                    None => break,
                }
            }
            ended += usize::from(waiting.is_empty());
        }
        if ended == self.inputs.len() {
            return Ok(None);
        }
        if ended > 0 {
            return Err(Error::damaged(
                "files of one row-id range have different numbers of rows",
            ));
        }
        let rows = self
            .waiting
            .iter()
            .filter_map(|w| w.front())
            .map(RecordBatch::num_rows)
            .min()
            .unwrap_or(0);
        let mut parts = Vec::with_capacity(self.waiting.len());
        for waiting in &mut self.waiting {
            if let Some(batch) = waiting.pop_front() {
                parts.push(batch.slice(0, rows));
                if batch.num_rows() > rows {
                    waiting.push_front(batch.slice(rows, batch.num_rows() - rows));
                }
            }
        }
        Ok(Some(parts))
    }
}
