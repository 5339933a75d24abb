//! `SHOW CREATE TABLE`: a statement that makes the same table again.

use std::fmt::Write as _;

use datafusion::catalog::TableProvider;
use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::Ident;
use paimon_catalog::redacted;
use paimon_core::spec::{DataField, TableSchema};

use super::super::command::dotted;
use super::super::result::text_column;
use super::{as_paimon, schema_of};
use crate::session::PaimonSession;

pub(crate) async fn run(session: &PaimonSession, name: &[Ident]) -> Result<DataFrame> {
    let provider = session.table(name).await?;
    let table = as_paimon(provider.as_ref()).map(|table| table.name().to_string());
    let text = match schema_of(provider.as_ref()) {
        Some(schema) => {
            let (catalog, database, object) = session.resolve(name)?;
            let shown = table.as_deref().and_then(|name| name.rsplit_once('.'));
            let object = shown.map_or(object.as_str(), |(_, name)| name).to_string();
            create_table(&[&catalog, &database, &object], &schema)
        }
        None => definition(provider.as_ref()).ok_or_else(|| {
            DataFusionError::Plan(format!("{} has no CREATE statement", dotted(name)))
        })?,
    };
    text_column(session, "createtab_stmt", [text])
}

fn definition(provider: &dyn TableProvider) -> Option<String> {
    provider.get_table_definition().map(str::to_string)
}

/// The statement in Flink's form: keys and partitions as clauses, every other option under WITH. Secrets are hidden.
fn create_table(name: &[&str], schema: &TableSchema) -> String {
    let name: Vec<String> = name.iter().map(|n| quoted(n)).collect();
    let mut text = format!("CREATE TABLE {} (\n", name.join("."));
    let mut lines: Vec<String> = schema.fields.iter().map(column).collect();
    if !schema.primary_keys.is_empty() {
        lines.push(format!(
            "PRIMARY KEY ({}) NOT ENFORCED",
            quoted_list(&schema.primary_keys)
        ));
    }
    let lines: Vec<String> = lines.iter().map(|l| format!("  {l}")).collect();
    text.push_str(&lines.join(",\n"));
    text.push_str("\n)");
    if let Some(comment) = &schema.comment {
        let _ = write!(text, "\nCOMMENT {}", literal(comment));
    }
    if !schema.partition_keys.is_empty() {
        let _ = write!(
            text,
            "\nPARTITIONED BY ({})",
            quoted_list(&schema.partition_keys)
        );
    }
    let mut options: Vec<(&String, &String)> = schema
        .options
        .iter()
        .filter(|(key, _)| key.as_str() != "path")
        .collect();
    options.sort();
    if !options.is_empty() {
        let pairs: Vec<String> = options
            .iter()
            .map(|(k, v)| format!("  {} = {}", literal(k), literal(&redacted(k, v))))
            .collect();
        let _ = write!(text, "\nWITH (\n{}\n)", pairs.join(",\n"));
    }
    text
}

fn column(field: &DataField) -> String {
    let mut text = format!("{} {}", quoted(&field.name), field.data_type);
    if let Some(comment) = &field.description {
        let _ = write!(text, " COMMENT {}", literal(comment));
    }
    if let Some(value) = &field.default_value {
        let _ = write!(text, " DEFAULT {}", literal(value));
    }
    text
}

pub(in super::super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

pub(in super::super) fn quoted_list(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|n| quoted(n)).collect();
    names.join(", ")
}

pub(in super::super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
