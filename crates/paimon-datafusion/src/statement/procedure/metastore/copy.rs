//! Tables that are copied, file by file, into another database or catalog. Source: `CopyFilesProcedure` of Spark.

use std::thread::available_parallelism;

use futures::FutureExt;
use paimon_catalog::Identifier;
use paimon_core::commit::CommitContext;
use paimon_core::maintenance::CopyFiles;
use paimon_core::schema::NewTable;

use super::super::arguments::{Arguments, Kind, optional, required};
use super::super::list::{Procedure, Running, nothing_to_check};
use super::super::partitions::matching;
use super::super::plan::{catalog_named, name_parts};
use super::super::rows::{RESULT, done};
use crate::error::to_datafusion;
use crate::session::PaimonSession;

pub(in crate::statement::procedure) const PROCEDURES: &[Procedure] = &[Procedure {
    name: "copy",
    parameters: &[
        required(&["source_table"], Kind::Text),
        required(&["target_table"], Kind::Text),
        optional(&["where"], Kind::Text),
    ],
    result: RESULT,
    check: nothing_to_check,
    run: copy,
}];

/// The target is made like the source when there is none.
fn copy<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let source = name_parts(arguments.required("source_table"));
        let source = session.paimon_table(&source, Vec::new()).await?;
        let partitions = match arguments.text("where") {
            Some(condition) => Some(matching(session, &source, condition).await?),
            None => None,
        };
        let copy = CopyFiles {
            partitions,
            parallelism: available_parallelism().map_or(1, usize::from),
        };
        copy.check(&source).await.map_err(to_datafusion)?;
        let (catalog, database, table) =
            session.resolve(&name_parts(arguments.required("target_table")))?;
        let catalog = catalog_named(session, &catalog)?;
        let made: paimon_core::Result<()> = async {
            let identifier = Identifier::new(&database, &table)?;
            if !catalog.table_exists(&identifier).await? {
                let mut new = NewTable::like(source.stored_schema().await.as_ref());
                new.options.shift_remove("path");
                catalog.create_database(&database, true).await?;
                catalog.create_table(&identifier, new, true).await?;
            }
            let target = catalog.get_table(&identifier).await?;
            copy.run(&source, &target, &CommitContext::default())
                .await?;
            Ok(())
        }
        .await;
        made.map(|()| done()).map_err(to_datafusion)
    }
    .boxed()
}
