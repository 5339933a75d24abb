//! Printing results: rows to stdout as they come, everything else to stderr.

mod delimited;
mod endless;
mod json;
mod table;

use std::io::{BufWriter, Stdout, Write};
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use paimon_datafusion::PaimonSession;

pub(crate) use endless::EndlessRows;

use crate::args::{Args, Format, MaxRows};
use crate::failure::{Failure, Outcome};
use crate::progress::Progress;

/// Prints the results of statements.
pub(crate) struct Printer {
    pub(crate) format: Format,
    pub(crate) max_rows: MaxRows,
    pub(crate) quiet: bool,
}

/// What writing rows can fail with.
pub(crate) enum WriteError {
    Io(std::io::Error),
    Value(ArrowError),
}

impl From<std::io::Error> for WriteError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ArrowError> for WriteError {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::IoError(_, error) => Self::Io(error),
            other => Self::Value(other),
        }
    }
}

/// One result in one format.
pub(crate) trait Rows: Send {
    /// Called once, before any batch.
    fn begin(&mut self, schema: &SchemaRef, out: &mut dyn Write) -> Result<(), WriteError>;
    /// Some rows.
    fn batch(&mut self, batch: &RecordBatch, out: &mut dyn Write) -> Result<(), WriteError>;
    /// Called once, after the last batch; a note for stderr.
    fn end(&mut self, out: &mut dyn Write) -> Result<Option<String>, WriteError>;
}

impl Printer {
    /// As the command line says.
    pub(crate) fn new(args: &Args) -> Self {
        Self {
            format: args.format,
            max_rows: args.maxrows,
            quiet: args.quiet,
        }
    }

    fn rows(&self) -> Box<dyn Rows> {
        match self.format {
            Format::Automatic | Format::Table => Box::new(table::TableRows::new(self.max_rows.0)),
            Format::Csv => Box::new(delimited::DelimitedRows::new(',')),
            Format::Tsv => Box::new(delimited::DelimitedRows::new('\t')),
            Format::Json => Box::new(json::JsonRows::array()),
            Format::Ndjson => Box::new(json::JsonRows::lines()),
        }
    }

    /// Runs one statement and prints its rows.
    pub(crate) async fn statement(
        &self,
        session: &PaimonSession,
        sql: &str,
        number: usize,
    ) -> Outcome {
        let started = Instant::now();
        let mut rows = 0usize;
        match self.stream(session, sql, &mut rows).await {
            Ok(note) => {
                if !self.quiet {
                    if let Some(note) = note {
                        say(&note);
                    }
                    let seconds = started.elapsed().as_secs_f64();
                    say(&format!(
                        "{rows} row(s) fetched. Elapsed {seconds:.3} seconds."
                    ));
                }
                Ok(())
            }
            Err(Stop::Statement(error)) => Err(Failure::statement(number, sql, &error)),
            Err(Stop::Output(error)) => Err(Failure::output(&error)),
        }
    }

    async fn stream(
        &self,
        session: &PaimonSession,
        sql: &str,
        rows: &mut usize,
    ) -> Result<Option<String>, Stop> {
        let frame = session.sql(sql).await?;
        let context = std::sync::Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await?;
        let schema = plan.schema();
        let plan_is_endless = plan.properties().boundedness.is_unbounded();
        let progress = Progress::watch(&plan, self.quiet);
        let mut stream = execute_stream(plan, context)?;
        if schema.fields().is_empty() {
            // SET, USE, CREATE VIEW: run, print nothing
            while let Some(batch) = stream.next().await {
                batch?;
            }
            return Ok(None);
        }
        let mut out: BufWriter<Stdout> = BufWriter::new(std::io::stdout());
        if plan_is_endless {
            drop(progress);
            return self.endless(&schema, stream, rows, &mut out).await;
        }
        let mut printer = self.rows();
        printer.begin(&schema, &mut out)?;
        while let Some(batch) = stream.next().await {
            let batch = match batch {
                Ok(batch) => batch,
                Err(e) => {
                    let _ = out.flush();
                    return Err(e.into());
                }
            };
            *rows = rows.saturating_add(batch.num_rows());
            printer.batch(&batch, &mut out)?;
        }
        drop(progress);
        let note = printer.end(&mut out)?;
        out.flush().map_err(Stop::Output)?;
        Ok(note)
    }

    /// Prints rows as soon as they come.
    async fn endless(
        &self,
        schema: &SchemaRef,
        mut stream: SendableRecordBatchStream,
        rows: &mut usize,
        out: &mut BufWriter<Stdout>,
    ) -> Result<Option<String>, Stop> {
        let mut printer = EndlessRows::new(self, schema.clone(), false);
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            *rows = rows.saturating_add(batch.num_rows());
            printer.batch(&batch, out)?;
            printer.end_group(out)?;
            out.flush().map_err(Stop::Output)?;
        }
        Ok(None)
    }
}

enum Stop {
    Statement(DataFusionError),
    Output(std::io::Error),
}

impl From<DataFusionError> for Stop {
    fn from(error: DataFusionError) -> Self {
        Self::Statement(error)
    }
}

impl From<WriteError> for Stop {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Io(e) => Self::Output(e),
            WriteError::Value(e) => Self::Statement(DataFusionError::from(e)),
        }
    }
}

/// A line on stderr; its loss is no failure.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
