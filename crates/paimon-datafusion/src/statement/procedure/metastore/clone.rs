//! Tables cloned row by row into Paimon tables of another database or catalog.
//!
//! Source: `CloneProcedure` of Flink with `CloneHiveTableUtils` and `ClonePaimonTableUtils`. As there, the partitions that the
//! rows are in are overwritten, so that a call that was cut off can be made again.

mod listing;
mod target;

use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use futures::FutureExt;
use paimon_catalog::{Catalog, FormatTable, Identifier};
use paimon_core::commit::CommitContext;
use paimon_core::schema::NewTable;
use paimon_core::spec::DataField;
use paimon_core::table::Table;

use super::super::arguments::{Arguments, Kind, optional};
use super::super::list::{Procedure, Running};
use super::super::partitions::condition_on;
use super::super::plan::{catalog_named, current_catalog};
use super::super::rows::{RESULT, done};
use super::migrate::parallelism;
use crate::error::to_datafusion;
use crate::session::PaimonSession;
use crate::statement::show::create::{quoted, quoted_list};

const FORMATS: [&str; 3] = ["parquet", "orc", "avro"];

pub(in crate::statement::procedure) const PROCEDURES: &[Procedure] = &[Procedure {
    name: "clone",
    parameters: &[
        optional(&["database"], Kind::Text),
        optional(&["table"], Kind::Text),
        optional(&["catalog_conf"], Kind::Options),
        optional(&["target_database"], Kind::Text),
        optional(&["target_table"], Kind::Text),
        optional(&["target_catalog_conf"], Kind::Options),
        optional(&["parallelism"], Kind::Number),
        optional(&["where"], Kind::Text),
        optional(&["included_tables"], Kind::Text),
        optional(&["excluded_tables"], Kind::Text),
        optional(&["prefer_file_format"], Kind::Text),
        optional(&["clone_from"], Kind::Text),
        optional(&["meta_only"], Kind::Boolean),
        optional(&["clone_if_exists"], Kind::Boolean),
        optional(&["target_table_conf"], Kind::Options),
    ],
    result: RESULT,
    check,
    run: clone_tables,
}];

/// What tables are cloned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Tables of plain files.
    Hive,
    Paimon,
}

fn wrong<T>(arguments: &Arguments, text: impl std::fmt::Display) -> Result<T> {
    let procedure = arguments.procedure();
    Err(DataFusionError::Plan(format!(
        "procedure {procedure} {text}"
    )))
}

fn origin(arguments: &Arguments) -> Result<Origin> {
    let text = arguments.text("clone_from").unwrap_or("hive");
    match text.to_ascii_lowercase().as_str() {
        "hive" => Ok(Origin::Hive),
        "paimon" => Ok(Origin::Paimon),
        _ => wrong(
            arguments,
            format!("clones from hive or paimon, found clone_from => {text:?}"),
        ),
    }
}

/// The wanted format of new tables, in lower case.
fn format(arguments: &Arguments) -> Result<Option<String>> {
    let format = arguments.text("prefer_file_format");
    let format = format.map(str::to_ascii_lowercase);
    match &format {
        Some(other) if !FORMATS.contains(&other.as_str()) => wrong(
            arguments,
            format!("takes a prefer_file_format of parquet, orc or avro, found {other:?}"),
        ),
        _ => Ok(format),
    }
}

fn check(arguments: &Arguments) -> Result<()> {
    format(arguments)?;
    // how a cluster shares the work changes nothing here
    parallelism(arguments)?;
    listing::check(arguments)?;
    match origin(arguments)? {
        Origin::Hive if !arguments.options("target_table_conf").is_empty() => wrong(
            arguments,
            "takes target_table_conf with clone_from => 'paimon' only",
        ),
        _ => Ok(()),
    }
}

/// A catalog under a name of the session: the current one, or one that is forgotten with this value.
struct Place {
    session: PaimonSession,
    name: String,
    catalog: Arc<dyn Catalog>,
    temporary: bool,
}

impl Place {
    fn new(session: &PaimonSession, arguments: &Arguments, conf: &str) -> Result<Self> {
        let options = arguments.options(conf);
        let place = |name: String, catalog, temporary| Self {
            session: session.clone(),
            name,
            catalog,
            temporary,
        };
        if options.is_empty() {
            let catalog = current_catalog(session)?;
            return Ok(place(session.current().0, catalog, false));
        }
        let name = format!("{conf}_{}", CommitContext::default().ids.uuid());
        session.create_catalog(&name, options.into_iter().collect())?;
        let catalog = catalog_named(session, &name)?;
        Ok(place(name, catalog, true))
    }

    fn sql_name(&self, identifier: &Identifier) -> String {
        let parts = [
            self.name.as_str(),
            identifier.database(),
            identifier.table(),
        ];
        parts.map(quoted).join(".")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = self.session.drop_catalog(&self.name, true)
        {
            tracing::warn!(%error, "a catalog of a call stays in the session");
        }
    }
}

/// A table to clone.
enum Source {
    Files(Box<FormatTable>),
    Paimon(Table),
}

impl Source {
    fn fields(&self) -> &[DataField] {
        match self {
            Self::Files(table) => &table.fields,
            Self::Paimon(table) => &table.schema().fields,
        }
    }

    fn partition_keys(&self) -> &[String] {
        match self {
            Self::Files(table) => &table.partition_keys,
            Self::Paimon(table) => &table.schema().partition_keys,
        }
    }

    fn location(&self) -> &str {
        match self {
            Self::Files(table) => &table.location,
            Self::Paimon(table) => table.location(),
        }
    }
}

/// A clone that was checked.
struct Planned {
    from: Identifier,
    to: Identifier,
    /// The target, when it is not there yet.
    new: Option<NewTable>,
    columns: Vec<String>,
}

fn clone_tables<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let source = Place::new(session, arguments, "catalog_conf")?;
        let target = Place::new(session, arguments, "target_catalog_conf")?;
        let pairs = listing::pairs(&source, arguments, origin(arguments)?).await?;
        if pairs.is_empty() {
            return wrong(arguments, "found no table to clone");
        }
        // nothing is written before all tables were looked at
        let mut clones = Vec::new();
        for (from, to) in pairs {
            clones.extend(planned(session, arguments, (&source, from), (&target, to)).await?);
        }
        for clone in clones {
            run(session, arguments, &source, &target, clone).await?;
        }
        Ok(done())
    }
    .boxed()
}

/// The clone of a table; `None` when it is not wanted because its target is there.
async fn planned(
    session: &PaimonSession,
    arguments: &Arguments,
    (source, from): (&Place, Identifier),
    (target, to): (&Place, Identifier),
) -> Result<Option<Planned>> {
    let origin = origin(arguments)?;
    let table = listing::source(source, &from, origin).await?;
    if let Some(condition) = arguments.text("where") {
        let is_key = |f: &&DataField| table.partition_keys().contains(&f.name);
        let keys: Vec<DataField> = table.fields().iter().filter(is_key).cloned().collect();
        condition_on(session, condition, &keys)?;
    }
    let exists = target.catalog.table_exists(&to).await;
    let new = match exists.map_err(to_datafusion)? {
        true if !arguments.boolean_or("clone_if_exists", true) => return Ok(None),
        true => {
            let known = target.catalog.get_table(&to).await;
            let fits = known.and_then(|known| target::check(&table, &known));
            fits.map_err(|e| to_datafusion(e.with_default("table", &to)))?;
            None
        }
        false => {
            let own = arguments.options("target_table_conf");
            let new = target::like(&table, format(arguments)?, own);
            let checked = target.catalog.schema_of_new(&to, &new);
            checked.map_err(|e| to_datafusion(e.with_default("table", &to)))?;
            Some(new)
        }
    };
    let columns = table.fields().iter().map(|f| f.name.clone()).collect();
    Ok(Some(Planned {
        from,
        to,
        new,
        columns,
    }))
}

/// Whatever the target and the session say of partitions without rows: they stay.
const PARTITIONS_OF_ROWS: &str = "/*+ OPTIONS('dynamic-partition-overwrite'='true') */";

/// Makes the target unless it is there, and overwrites the partitions of the rows.
async fn run(
    session: &PaimonSession,
    arguments: &Arguments,
    source: &Place,
    target: &Place,
    clone: Planned,
) -> Result<()> {
    let Planned { from, to, new, .. } = &clone;
    if let Some(new) = new {
        let made: paimon_core::Result<()> = async {
            let properties = target::database_properties(source, from).await?;
            let catalog = &target.catalog;
            catalog
                .create_database_with(to.database(), true, &properties)
                .await?;
            catalog.create_table(to, new.clone(), true).await.map(drop)
        }
        .await;
        made.map_err(to_datafusion)?;
    }
    if arguments.boolean("meta_only") {
        return Ok(());
    }
    let columns = quoted_list(&clone.columns);
    // the condition may end with a comment
    let condition = arguments.text("where").map(|c| format!(" WHERE ({c}\n)"));
    let statement = format!(
        "INSERT OVERWRITE {} {PARTITIONS_OF_ROWS} ({columns}) SELECT {columns} FROM {}{}",
        target.sql_name(to),
        source.sql_name(from),
        condition.unwrap_or_default()
    );
    session.sql(&statement).await?.collect().await?;
    Ok(())
}
