//! `SHOW TABLE EXTENDED`. Source: `PaimonShowTablesExtendedCommand` of Paimon's Spark extensions.

use std::fmt::Write;

use datafusion::catalog::TableProvider;
use datafusion::dataframe::DataFrame;
use datafusion::error::Result;
use datafusion::sql::sqlparser::ast::Ident;
use paimon_core::spec::TableSchema;

use super::super::describe::{facts, place_of};
use super::super::result::informed_rows;
use super::create::quoted_list;
use super::{database_of, names_in, schema_of, wanted};
use crate::session::PaimonSession;

/// The tables of a database that a pattern fits, each with all that is known of it as one text.
pub(crate) async fn tables(
    session: &PaimonSession,
    namespace: &[Ident],
    like: &str,
) -> Result<DataFrame> {
    let (catalog, database) = database_of(session, namespace)?;
    let mut names = names_in(session, &catalog, &database).await?;
    names.retain(|(name, _)| wanted(name, Some(like)));
    let mut rows = Vec::with_capacity(names.len());
    for (name, own) in &names {
        let mut text = String::new();
        for (fact, value) in [
            ("Catalog", &catalog),
            ("Namespace", &database),
            ("Table", name),
        ] {
            let _ = writeln!(text, "{fact}: {value}");
        }
        // a table of the session goes before one of the catalog
        let hidden = !own && names.iter().any(|other| *other == (name.clone(), true));
        if !hidden {
            let parts = [&catalog, &database, name].map(|part| Ident::with_quote('`', part));
            match session.table(&parts).await {
                Ok(provider) => {
                    if let Some(schema) = schema_of(provider.as_ref()) {
                        describe(&mut text, provider.as_ref(), &schema);
                    }
                }
                Err(error) => {
                    let _ = writeln!(text, "Error: {error}");
                }
            }
        }
        rows.push((database.clone(), name.clone(), *own, text));
    }
    let names = ["namespace", "tableName", "isTemporary", "information"];
    informed_rows(session, names, &rows)
}

fn describe(text: &mut String, provider: &dyn TableProvider, schema: &TableSchema) {
    for (fact, value) in facts(schema, place_of(provider)) {
        let _ = writeln!(text, "{fact}: {value}");
    }
    if !schema.partition_keys.is_empty() {
        let keys = quoted_list(&schema.partition_keys);
        let _ = writeln!(text, "Partition Columns: [{keys}]");
    }
    let _ = writeln!(text, "Schema: root");
    for field in &schema.fields {
        let nullable = field.data_type.nullable;
        let kind = field.data_type.with_nullable(true);
        let _ = writeln!(text, " |-- {}: {kind} (nullable = {nullable})", field.name);
    }
}
