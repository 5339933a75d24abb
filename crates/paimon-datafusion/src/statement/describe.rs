//! `DESCRIBE`.

use std::collections::BTreeMap;

use datafusion::catalog::TableProvider;
use datafusion::dataframe::DataFrame;
use datafusion::error::Result;
use datafusion::sql::sqlparser::ast::Ident;
use paimon_catalog::{FunctionDefinition, View, redacted};
use paimon_core::arrow_bridge::paimon_type;
use paimon_core::spec::{DataField, TableSchema};

use super::refuse::is_paimon_table;
use super::result::text_rows;
use super::show::{as_paimon, schema_of};
use super::{command::dotted, ident_text};
use crate::error::to_datafusion;
use crate::format_table::FormatTableProvider;
use crate::session::{CatalogView, DIALECT, PaimonSession};

type Row = [String; 3];

fn row(a: &str, b: impl Into<String>, c: impl Into<String>) -> Row {
    [a.to_string(), b.into(), c.into()]
}

/// Columns with types and comments, then the partition columns; `extended` adds keys, comment, location and options.
pub(crate) async fn table(
    session: &PaimonSession,
    name: &[Ident],
    extended: bool,
) -> Result<DataFrame> {
    let provider = session.table(name).await?;
    // a system table: its types are Paimon's; those of the session's own tables are Arrow's
    let is_own = is_paimon_table(session, name)?;
    let rows = match schema_of(provider.as_ref()) {
        Some(schema) => {
            let mut rows = columns(&schema.fields);
            rows.extend(partitions(&schema));
            if extended {
                let place = place_of(provider.as_ref());
                rows.extend(details(session, name, &schema, place)?);
            }
            rows
        }
        None if let Some(view) = provider.downcast_ref::<CatalogView>() => {
            let view = view.view();
            let mut rows = columns(&view.fields);
            if extended {
                rows.extend(view_details(session, name, view)?);
            }
            rows
        }
        None => provider
            .schema()
            .fields()
            .iter()
            .map(|f| {
                let null = if f.is_nullable() { "" } else { " NOT NULL" };
                let data_type = match (is_own, paimon_type(f.data_type())) {
                    (true, Ok(data_type)) => data_type.to_string(),
                    _ => f.data_type().to_string(),
                };
                row(f.name(), format!("{data_type}{null}"), "")
            })
            .collect(),
    };
    text_rows(session, ["col_name", "data_type", "comment"], rows)
}

fn columns(fields: &[DataField]) -> Vec<Row> {
    fields
        .iter()
        .map(|f| {
            let comment = f.description.clone().unwrap_or_default();
            row(&f.name, f.data_type.to_string(), comment)
        })
        .collect()
}

fn partitions(schema: &TableSchema) -> Vec<Row> {
    if schema.partition_keys.is_empty() {
        return Vec::new();
    }
    let mut rows = vec![
        row("# Partition Information", "", ""),
        row("# col_name", "data_type", "comment"),
    ];
    for key in &schema.partition_keys {
        let field = schema.fields.iter().find(|f| f.name == *key);
        let data_type = field.map(|f| f.data_type.to_string());
        let comment = field.and_then(|f| f.description.clone());
        rows.push(row(
            key,
            data_type.unwrap_or_default(),
            comment.unwrap_or_default(),
        ));
    }
    rows
}

fn view_details(session: &PaimonSession, name: &[Ident], view: &View) -> Result<Vec<Row>> {
    let (catalog, database, object) = session.resolve(name)?;
    let mut rows = vec![
        row("", "", ""),
        row("# Detailed View Information", "", ""),
        row("Name", format!("{catalog}.{database}.{object}"), ""),
        row("Type", "VIEW", ""),
    ];
    if let Some(comment) = &view.comment {
        rows.push(row("Comment", comment.clone(), ""));
    }
    rows.push(row("View Text", view.query_in(DIALECT), ""));
    let options = view.options.iter();
    let options = options.map(|(k, v)| format!("{k}={}", redacted(k, v)));
    let options: Vec<String> = options.collect();
    rows.push(row(
        "View Properties",
        format!("[{}]", options.join(",")),
        "",
    ));
    Ok(rows)
}

fn details(
    session: &PaimonSession,
    name: &[Ident],
    schema: &TableSchema,
    place: (&str, &str),
) -> Result<Vec<Row>> {
    let (catalog, database, object) = session.resolve(name)?;
    let mut rows = vec![
        row("", "", ""),
        row("# Detailed Table Information", "", ""),
        row("Name", format!("{catalog}.{database}.{object}"), ""),
    ];
    let facts = facts(schema, place).into_iter();
    rows.extend(facts.map(|(fact, value)| row(fact, value, "")));
    Ok(rows)
}

/// The format of a Paimon or format table and its location.
pub(super) fn place_of(provider: &dyn TableProvider) -> (&str, &str) {
    match provider.downcast_ref::<FormatTableProvider>() {
        Some(files) => (files.table().format.name(), files.table().location.as_str()),
        None => {
            let table = as_paimon(provider);
            ("paimon", table.map_or("", |table| table.location()))
        }
    }
}

/// What is known of a table beside its name and columns.
pub(super) fn facts(
    schema: &TableSchema,
    (provider, location): (&str, &str),
) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Type", "MANAGED".to_string()),
        ("Provider", provider.to_string()),
    ];
    facts.extend(schema.comment.clone().map(|comment| ("Comment", comment)));
    facts.push(("Location", location.to_string()));
    if !schema.primary_keys.is_empty() {
        facts.push(("Primary Key", schema.primary_keys.join(", ")));
    }
    facts.push(("Schema Id", schema.id.to_string()));
    let options = schema.options.iter();
    let mut options: Vec<String> = options
        .map(|(k, v)| format!("{k}={}", redacted(k, v)))
        .collect();
    options.sort();
    facts.push(("Table Properties", format!("[{}]", options.join(","))));
    facts
}

/// What a function of a catalog takes and gives, and for which programs it is defined; `extended` adds the definitions.
pub(crate) async fn function(
    session: &PaimonSession,
    name: &[Ident],
    extended: bool,
) -> Result<DataFrame> {
    let (catalog, identifier) = super::ddl::target(session, name)?;
    let function = catalog.get_function(&identifier).await;
    let function = function.map_err(to_datafusion)?;
    let full = format!("{}.{identifier}", catalog.name());
    let parameters = function.input_params.as_deref().unwrap_or_default();
    let returns = function.return_params.as_deref().unwrap_or_default();
    let typed = |fields: &[DataField]| {
        let fields = fields.iter().map(|f| format!("{} {}", f.name, f.data_type));
        fields.collect::<Vec<_>>().join(", ")
    };
    let types: Vec<String> = returns.iter().map(|f| f.data_type.to_string()).collect();
    let mut rows = vec![
        ["Function".to_string(), full],
        ["Arguments".to_string(), typed(parameters)],
        ["Returns".to_string(), types.join(", ")],
        [
            "Deterministic".to_string(),
            function.deterministic.to_string(),
        ],
    ];
    rows.extend(function.comment.map(|c| ["Comment".to_string(), c]));
    for (program, definition) in &function.definitions {
        let shown = match extended {
            true => definition_text(definition),
            false => definition.kind().to_string(),
        };
        rows.push([format!("Definition for {program}"), shown]);
    }
    if extended && !function.options.is_empty() {
        let options = function.options.iter();
        let shown = options.map(|(key, value)| format!("({key},{})", redacted(key, value)));
        let shown: Vec<String> = shown.collect();
        rows.push(["Properties".to_string(), format!("({})", shown.join(", "))]);
    }
    text_rows(session, ["info_name", "info_value"], rows)
}

fn definition_text(definition: &FunctionDefinition) -> String {
    let named = |name: &str, value: &Option<String>| {
        let value = value.iter().map(|value| format!(", {name} {value}"));
        value.collect::<String>()
    };
    let kind = definition.kind();
    match definition {
        FunctionDefinition::Sql { definition } => format!("{kind}: {definition}"),
        FunctionDefinition::Lambda {
            definition,
            language,
        } => {
            format!("{kind}{}: {definition}", named("language", language))
        }
        FunctionDefinition::File {
            file_resources,
            language,
            class_name,
            function_name,
        } => {
            let files = file_resources.iter().flatten();
            let files: Vec<String> = files.map(|f| redacted("uri", &f.uri)).collect();
            let parts = [
                named("language", language),
                named("class", class_name),
                named("name", function_name),
            ];
            format!("{kind}{}: {}", parts.concat(), files.join(", "))
        }
    }
}

/// Name and catalog of a database.
pub(crate) async fn database(
    session: &PaimonSession,
    name: &[Ident],
    extended: bool,
) -> Result<DataFrame> {
    let (current, _) = session.current();
    let (catalog, database) = match name {
        [catalog, database] => (ident_text(catalog), ident_text(database)),
        other => (current, dotted(other)),
    };
    let mut properties = properties_of(session, &catalog, &database).await?;
    let mut rows = vec![
        ["Catalog Name".to_string(), catalog],
        ["Namespace Name".to_string(), database],
    ];
    for (key, name) in [
        ("comment", "Comment"),
        ("location", "Location"),
        ("owner", "Owner"),
    ] {
        let value = properties.remove(key);
        rows.extend(value.map(|value| [name.to_string(), redacted(key, &value)]));
    }
    if extended {
        let shown = properties.iter();
        let shown = shown.map(|(key, value)| format!("({key},{})", redacted(key, value)));
        let shown: Vec<String> = shown.collect();
        rows.push(["Properties".to_string(), format!("({})", shown.join(", "))]);
    }
    text_rows(session, ["info_name", "info_value"], rows)
}

async fn properties_of(
    session: &PaimonSession,
    catalog: &str,
    database: &str,
) -> Result<BTreeMap<String, String>> {
    let provider = session.catalog(catalog)?;
    if let Some(paimon) = provider.downcast_ref::<crate::PaimonCatalogProvider>() {
        let found = paimon.catalog().database_properties(database).await;
        return found.map_err(to_datafusion);
    }
    match provider.schema(database) {
        Some(_) => Ok(BTreeMap::new()),
        None => Err(to_datafusion(
            paimon_core::Error::new(paimon_core::ErrorKind::NotFound, "database does not exist")
                .with("database", database)
                .with("catalog", catalog),
        )),
    }
}
