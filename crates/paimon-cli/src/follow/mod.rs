//! `paimon follow db.t`: what changes in a table, as it changes.
//!
//! Rows are printed snapshot by snapshot. The consumer's progress is kept after they were written out, so that a program
//! that is killed in between prints the changes of one snapshot again; with `--output` it does not even that.

mod file;

use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{DataType, Field, Int8Type, Schema, SchemaRef};
use futures::StreamExt;
use paimon_catalog::{Identifier, create_catalog};
use paimon_core::table::{ChangeBatch, StreamProgress, StreamRead, Table};

use self::file::OutputFile;
use crate::args::{Args, Follow};
use crate::failure::{Failure, Outcome};
use crate::output::{EndlessRows, Printer, WriteError};
use crate::run::catalogs;

/// Names of row kinds, by their numbers.
const KINDS: [&str; 4] = ["+I", "-U", "+U", "-D"];

/// Follows a table until the stream ends or the program is interrupted.
pub(crate) async fn run(args: &Args, how: &Follow) -> Outcome {
    let read = open(args, how).await?;
    let printer = Printer::new(args);
    let mut target = match &how.output {
        None => Target::Stdout(BufWriter::new(std::io::stdout())),
        Some(path) => Target::File(OutputFile::open(path)?),
    };
    let changes = match target.progress() {
        Some(progress) => read.changes_after(&progress).await,
        None => read.changes().await,
    };
    let mut changes = changes.map_err(|e| Failure::engine(&e))?;
    let schema = shown_schema(changes.schema());
    let mut rows = EndlessRows::new(&printer, schema.clone(), target.has_rows());
    while let Some(batch) = changes.next().await {
        let batch = batch.map_err(|e| Failure::engine(&e))?;
        rows.batch(&shown(&batch, &schema)?, target.writer())
            .map_err(failed)?;
        if let Some(progress) = batch.completes {
            rows.end_group(target.writer()).map_err(failed)?;
            target.complete(&progress)?;
            if let Some(consumer) = read.consumer() {
                let kept = consumer.acknowledge(&progress).await;
                kept.map_err(|e| Failure::engine(&e))?;
            }
        }
    }
    Ok(())
}

/// Where rows go.
enum Target {
    Stdout(BufWriter<std::io::Stdout>),
    File(OutputFile),
}

impl Target {
    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Stdout(out) => out,
            Self::File(file) => file.writer(),
        }
    }

    /// What an earlier run wrote.
    fn progress(&self) -> Option<StreamProgress> {
        match self {
            Self::Stdout(_) => None,
            Self::File(file) => file.progress(),
        }
    }

    fn has_rows(&self) -> bool {
        match self {
            Self::Stdout(_) => false,
            Self::File(file) => file.has_rows(),
        }
    }

    /// Everything of a snapshot was written.
    fn complete(&mut self, progress: &StreamProgress) -> Outcome {
        match self {
            Self::Stdout(out) => out.flush().map_err(|e| Failure::output(&e)),
            Self::File(file) => file.complete(progress),
        }
    }
}

async fn open(args: &Args, how: &Follow) -> Outcome<StreamRead> {
    let (all, first) = catalogs(args)?;
    let chosen = first.and_then(|name| all.into_iter().find(|(n, _)| *n == name));
    let Some((name, options)) = chosen else {
        return Err(Failure::usage(
            "follow needs a catalog: give --warehouse, --catalog-option or --config".to_string(),
        ));
    };
    let opened = async {
        let catalog = create_catalog(&name, options)?;
        let table = catalog.get_table(&Identifier::parse(&how.table)?).await?;
        let dynamic = dynamic_options(&table, how).await?;
        table.new_stream_read(&dynamic).await
    };
    opened.await.map_err(|e| Failure::engine(&e))
}

async fn dynamic_options(
    table: &Table,
    how: &Follow,
) -> paimon_core::Result<HashMap<String, String>> {
    let mut dynamic = HashMap::from([("continuous.discovery-interval".into(), how.poll.clone())]);
    let mut put = |key: &str, value: &str| dynamic.insert(key.to_string(), value.to_string());
    match how.from.as_str() {
        mode @ ("latest-full" | "latest" | "compacted-full") => put("scan.mode", mode),
        "earliest" => {
            let earliest = table.snapshots().earliest_id().await?.unwrap_or(1);
            put("scan.snapshot-id", &earliest.to_string())
        }
        id if id.bytes().all(|b| b.is_ascii_digit()) => put("scan.snapshot-id", id),
        time => put("scan.timestamp", time),
    };
    if let Some(consumer) = &how.consumer_id {
        put("consumer-id", consumer);
    }
    dynamic.extend(how.options.iter().cloned());
    Ok(dynamic)
}

/// The columns after the kind of change, as `t$audit_log` has them.
fn shown_schema(rows: &SchemaRef) -> SchemaRef {
    let columns = rows.fields().len().saturating_sub(1);
    let kind = Arc::new(Field::new("rowkind", DataType::Utf8, true));
    let fields = std::iter::once(kind).chain(rows.fields().iter().take(columns).cloned());
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn shown(batch: &ChangeBatch, schema: &SchemaRef) -> Outcome<RecordBatch> {
    let rows = &batch.rows;
    let mut columns = rows.columns().to_vec();
    let kinds = columns.pop();
    let bug = || Failure::bug("rows of a stream lack their kinds".into());
    let kinds = kinds.ok_or_else(bug)?;
    let kinds = kinds.as_primitive_opt::<Int8Type>().ok_or_else(bug)?;
    let name = |k: &i8| usize::try_from(*k).ok().and_then(|k| KINDS.get(k));
    let names: StringArray = kinds.values().iter().map(|k| name(k).copied()).collect();
    columns.insert(0, Arc::new(names));
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
        .map_err(|e| Failure::bug(e.to_string()))
}

fn failed(error: WriteError) -> Failure {
    match error {
        WriteError::Io(error) => Failure::output(&error),
        WriteError::Value(error) => Failure::bug(error.to_string()),
    }
}
