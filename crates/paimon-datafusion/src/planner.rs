//! Relations and types where Paimon's SQL differs from DataFusion's.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{DFSchema, TableReference};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannedRelation, PlannerResult, RawFieldAccessExpr, RelationPlanner,
    RelationPlannerContext, RelationPlanning, TypePlanner,
};
use datafusion::logical_expr::{ExprSchemable, GetFieldAccess, LogicalPlanBuilder, TableSource};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, TableFactor, TimezoneInfo,
};

use crate::parse::{FILES_CATALOG, plain_and_options};
use crate::session::SessionSettings;

/// Plans tables whose name holds options, and refuses the clauses after a table that DataFusion would drop.
#[derive(Debug)]
pub(crate) struct PaimonRelationPlanner;

impl RelationPlanner for PaimonRelationPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        if let Some(clause) = dropped_clause(&relation) {
            return Err(DataFusionError::NotImplemented(format!(
                "{clause} after a table name is not supported here: {relation}"
            )));
        }
        let TableFactor::Table {
            name, alias, args, ..
        } = &relation
        else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        if let Some(args) = args {
            return match args.args.is_empty() {
                true => Ok(RelationPlanning::Original(Box::new(relation))),
                false => plan_function(name, args, alias.clone(), context),
            };
        }
        let hidden = context.object_name_to_table_reference(name.clone())?;
        let Some((plain, _)) = plain_and_options(hidden.table()) else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let shown = match hidden.catalog() {
            Some(FILES_CATALOG) => TableReference::bare(plain),
            _ => with_table(&hidden, plain),
        };
        let found = context.context_provider().get_table_source(hidden.clone());
        let source = found.map_err(|e| match e {
            DataFusionError::Plan(text) => {
                DataFusionError::Plan(text.replace(hidden.table(), plain))
            }
            other => other,
        })?;
        let scan = scan_name(&hidden, plain, hidden.table());
        planned(scan, source, shown, alias.clone())
    }
}

/// A call of a table function. DataFusion names the scans of all calls alike.
fn plan_function(
    name: &ast::ObjectName,
    args: &ast::TableFunctionArgs,
    alias: Option<ast::TableAlias>,
    context: &mut dyn RelationPlannerContext,
) -> Result<RelationPlanning> {
    let ident = name.0.first().and_then(|part| part.as_ident());
    let ident =
        ident.ok_or_else(|| DataFusionError::Plan(format!("no function is named {name}")))?;
    let function = ident.to_string();
    let mut values = Vec::with_capacity(args.args.len());
    for arg in &args.args {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg else {
            return Err(DataFusionError::Plan(format!(
                "Unsupported function argument type: {arg}"
            )));
        };
        values.push(context.sql_expr_to_logical_expr(expr.clone(), &DFSchema::empty())?);
    }
    let call = format!("{values:?}");
    let provider = context.context_provider();
    let source = provider.get_table_function_source(&function, values)?;
    let shown = TableReference::bare(format!("{function}()"));
    let scan = scan_name(&shown, shown.table(), &call);
    planned(scan, source, shown, alias)
}

/// A scan, which queries know by another name than plans do.
fn planned(
    scan: TableReference,
    source: Arc<dyn TableSource>,
    shown: TableReference,
    alias: Option<ast::TableAlias>,
) -> Result<RelationPlanning> {
    let scan = LogicalPlanBuilder::scan(scan, source, None)?;
    let plan = match alias {
        Some(_) => scan.build()?,
        None => scan.alias(shown)?.build()?,
    };
    let relation = PlannedRelation::new(plan, alias);
    Ok(RelationPlanning::Planned(Box::new(relation)))
}

/// Name of the scan of a table with options, or of a function with arguments. DataFusion takes scans of one name for the
/// same, whatever they read: two versions of a table need two names. The options themselves may hold secrets, which plans
/// would show.
fn scan_name(reference: &TableReference, plain: &str, details: &str) -> TableReference {
    let mut hasher = DefaultHasher::new();
    details.hash(&mut hasher);
    with_table(reference, &format!("{plain}@{:x}", hasher.finish()))
}

/// Name of a clause that DataFusion's own planner would ignore.
fn dropped_clause(relation: &TableFactor) -> Option<&'static str> {
    let TableFactor::Table {
        version,
        with_hints,
        partitions,
        with_ordinality,
        json_path,
        sample,
        index_hints,
        ..
    } = relation
    else {
        return None;
    };
    let found = [
        (version.is_some(), "time travel"),
        (sample.is_some(), "TABLESAMPLE"),
        (!partitions.is_empty(), "PARTITION"),
        (!with_hints.is_empty(), "WITH (hints)"),
        (!index_hints.is_empty(), "an index hint"),
        (json_path.is_some(), "a JSON path"),
        (*with_ordinality, "WITH ORDINALITY"),
    ];
    found.iter().find(|(here, _)| *here).map(|(_, name)| *name)
}

fn with_table(reference: &TableReference, table: &str) -> TableReference {
    match reference {
        TableReference::Bare { .. } => TableReference::bare(table),
        TableReference::Partial { schema, .. } => TableReference::partial(schema.as_ref(), table),
        TableReference::Full {
            catalog, schema, ..
        } => TableReference::full(catalog.as_ref(), schema.as_ref(), table),
    }
}

/// Brings the key of a map access to the type of the map's keys: DataFusion compares the two as they are.
#[derive(Debug)]
pub(crate) struct MapKeyPlanner;

impl ExprPlanner for MapKeyPlanner {
    fn plan_field_access(
        &self,
        access: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let Some(key_type) = map_key_type(&access.expr.get_type(schema)?) else {
            return Ok(PlannerResult::Original(access));
        };
        let field_access = match access.field_access {
            GetFieldAccess::NamedStructField { name } => GetFieldAccess::NamedStructField {
                name: name.cast_to(&key_type)?,
            },
            GetFieldAccess::ListIndex { key } => GetFieldAccess::ListIndex {
                key: Box::new(key.cast_to(&key_type, schema)?),
            },
            other => other,
        };
        Ok(PlannerResult::Original(RawFieldAccessExpr {
            expr: access.expr,
            field_access,
        }))
    }
}

fn map_key_type(data_type: &DataType) -> Option<DataType> {
    let DataType::Map(entries, _) = data_type else {
        return None;
    };
    match entries.data_type() {
        DataType::Struct(fields) => fields.first().map(|key| key.data_type().clone()),
        _ => None,
    }
}

/// Types of casts and typed literals: `TIMESTAMP` has microseconds, precisions round up to an Arrow unit, and the
/// names that only Paimon's engines know.
#[derive(Debug)]
pub(crate) struct PaimonTypePlanner {
    pub(crate) settings: Arc<SessionSettings>,
}

impl TypePlanner for PaimonTypePlanner {
    fn plan_type_field(&self, sql_type: &ast::DataType) -> Result<Option<FieldRef>> {
        let planned = match sql_type {
            ast::DataType::Timestamp(precision, zone) => {
                let zoned = matches!(zone, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz);
                Some(self.timestamp(*precision, zoned)?)
            }
            ast::DataType::TimestampNtz(precision) => Some(self.timestamp(*precision, false)?),
            ast::DataType::Bytes(None) => Some(DataType::Binary),
            ast::DataType::Custom(name, arguments) => {
                let precision = match arguments.as_slice() {
                    [] => None,
                    [one] => Some(one.parse().map_err(|_| {
                        DataFusionError::Plan(format!("{sql_type}: a precision is expected"))
                    })?),
                    _ => return Ok(None),
                };
                match name.to_string().to_ascii_uppercase().as_str() {
                    "TIMESTAMP_LTZ" => Some(self.timestamp(precision, true)?),
                    "TIMESTAMP_NTZ" => Some(self.timestamp(precision, false)?),
                    _ => None,
                }
            }
            _ => None,
        };
        Ok(planned.map(|t| Arc::new(Field::new("", t, true))))
    }
}

impl PaimonTypePlanner {
    fn timestamp(&self, precision: Option<u64>, zoned: bool) -> Result<DataType> {
        let unit = match precision {
            None | Some(4..=6) => TimeUnit::Microsecond,
            Some(0..=3) => TimeUnit::Millisecond,
            Some(7..=9) => TimeUnit::Nanosecond,
            Some(p) => {
                return Err(DataFusionError::Plan(format!(
                    "TIMESTAMP({p}): the precision must be 0 to 9"
                )));
            }
        };
        let zone = zoned.then(|| self.settings.time_zone().into());
        Ok(DataType::Timestamp(unit, zone))
    }
}
