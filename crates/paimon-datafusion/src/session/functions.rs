//! Functions that catalogs keep, called in SQL.
//!
//! A call of a function that the session does not know is looked up in the catalog that its name stands for. Called are those
//! with an expression of SQL for this program. The optimizer puts the expression in place of the call, unless an argument is
//! volatile: such a one is computed once, and the expression over it.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, EmptyRelation, Expr, LogicalPlan, LogicalPlanBuilder, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility, cast,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, ExprWithAlias, Ident, ObjectName, SelectItem, SetExpr, Statement as Sql,
    Visit, VisitMut, visit_expressions, visit_expressions_mut,
};
use paimon_catalog::{Function, FunctionDefinition, Identifier};
use paimon_core::arrow_bridge::arrow_type;
use paimon_core::spec::DataField;
use paimon_core::{Error, ErrorKind};

use super::{DIALECT, PaimonSession};
use crate::catalog::PaimonCatalogProvider;
use crate::error::to_datafusion;
use crate::parse::tokenize;

/// What DataFusion's planner knows without a function of that name.
const BY_THE_PLANNER: [&str; 2] = ["unnest", "unnest_outer"];

/// Registers the functions of catalogs that a statement calls, and writes their calls as they are registered.
///
/// # Errors
/// Those of the catalog, and for a function without a definition for this program.
pub(super) async fn with_stored_functions(
    session: &PaimonSession,
    statement: &mut Statement,
) -> Result<()> {
    match statement {
        Statement::Statement(sql) => registered(session, sql.as_mut()).await,
        Statement::Explain(explain) => {
            let explained = explain.statement.as_mut();
            Box::pin(with_stored_functions(session, explained)).await
        }
        Statement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => registered(session, query.as_mut()).await,
            CopyToSource::Relation(_) => Ok(()),
        },
        _ => Ok(()),
    }
}

async fn registered<V: Visit + VisitMut + Send>(
    session: &PaimonSession,
    node: &mut V,
) -> Result<()> {
    for name in unknown_functions(session, node) {
        let Some((full, function)) = find(session, &name).await? else {
            // what an earlier statement called by this name is gone
            session.context.deregister_udf(&full_name(&name));
            continue;
        };
        let stored = StoredFunction::of(session, &full, &function)?;
        session
            .context
            .register_udf(ScalarUDF::new_from_impl(stored));
        let registered = ObjectName::from(vec![Ident::with_quote('"', full)]);
        let _ = visit_expressions_mut(node, |expr| {
            if let SqlExpr::Function(call) = expr
                && parts(&call.name).as_deref() == Some(name.as_slice())
            {
                call.name = registered.clone();
            }
            ControlFlow::<()>::Continue(())
        });
    }
    Ok(())
}

fn parts(name: &ObjectName) -> Option<Vec<Ident>> {
    name.0.iter().map(|part| part.as_ident().cloned()).collect()
}

fn full_name(name: &[Ident]) -> String {
    let texts: Vec<String> = name.iter().map(crate::statement::ident_text).collect();
    texts.join(".")
}

/// Names of functions that may stand for one of a catalog: nobody has registered them, or an earlier statement did, and
/// the catalog may have another definition by now.
fn unknown_functions(session: &PaimonSession, node: &impl Visit) -> BTreeSet<Vec<Ident>> {
    let state = session.context.state_ref();
    let state = state.read();
    let is_known = |name: &[Ident]| {
        let name = full_name(name);
        let scalar = state.scalar_functions().get(&name);
        BY_THE_PLANNER.contains(&name.as_str())
            || scalar.is_some_and(|f| f.inner().downcast_ref::<StoredFunction>().is_none())
            || state.aggregate_functions().contains_key(&name)
            || state.window_functions().contains_key(&name)
    };
    let mut names = BTreeSet::new();
    let _ = visit_expressions(node, |expr| {
        if let SqlExpr::Function(call) = expr
            && let Some(name) = parts(&call.name)
            && name.len() <= 3
            && !is_known(&name)
        {
            names.insert(name);
        }
        ControlFlow::<()>::Continue(())
    });
    names
}

/// Full name and function; `None` when no catalog keeps one of that name.
async fn find(session: &PaimonSession, name: &[Ident]) -> Result<Option<(String, Function)>> {
    let (catalog, database, function) = session.resolve(name)?;
    let Ok(provider) = session.catalog(&catalog) else {
        return Ok(None);
    };
    let Some(paimon) = provider.downcast_ref::<PaimonCatalogProvider>() else {
        return Ok(None);
    };
    let keeper = paimon.catalog();
    let Ok(identifier) = Identifier::new(&database, &function) else {
        return Ok(None);
    };
    if !keeper.keeps_functions() {
        return Ok(None);
    }
    let full = format!("{catalog}.{database}.{function}");
    match keeper.get_function(&identifier).await {
        Ok(function) => Ok(Some((full, function))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(to_datafusion(error)),
    }
}

/// A function of a catalog that can be called.
#[derive(Debug)]
pub(crate) struct StoredFunction {
    name: String,
    signature: Signature,
    parameters: SchemaRef,
    returns: DataType,
    /// Over columns of the names of the parameters.
    expression: Expr,
    body: Arc<dyn PhysicalExpr>,
}

impl PartialEq for StoredFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.signature == other.signature
            && self.parameters == other.parameters
            && self.returns == other.returns
            && self.expression == other.expression
    }
}

impl Eq for StoredFunction {}

impl Hash for StoredFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.expression.hash(state);
    }
}

impl StoredFunction {
    /// The function as the catalog keeps it; `name` shows in plans.
    ///
    /// # Errors
    /// `Unsupported` when this program has no definition, or the expression reads tables; the planner's for an expression
    /// that does not fit the parameters.
    pub(crate) fn of(session: &PaimonSession, name: &str, function: &Function) -> Result<Self> {
        let refused = |what: String| to_datafusion(Error::unsupported(what).with("function", name));
        let Some(FunctionDefinition::Sql { definition }) = function.definitions.get(DIALECT) else {
            let there: Vec<String> = function
                .definitions
                .iter()
                .map(|(program, definition)| format!("{program} ({})", definition.kind()))
                .collect();
            return Err(refused(format!(
                "the function has no definition of kind sql for {DIALECT}, found {}",
                match there.is_empty() {
                    true => "none".to_string(),
                    false => there.join(", "),
                }
            )));
        };
        let Some([returns]) = function.return_params.as_deref() else {
            return Err(refused("the function does not give one value".to_string()));
        };
        let returns = arrow_type(&returns.data_type);
        let parameters = function.input_params.as_deref().unwrap_or_default();
        let parameters = Arc::new(parameters_of(parameters));
        let planned = planned(session, definition, &parameters, &returns);
        let (expression, body) = planned.map_err(|e| e.context(format!("in function {name}")))?;
        let volatility = match expression.is_volatile() || !function.deterministic {
            true => Volatility::Volatile,
            false => Volatility::Stable,
        };
        Ok(Self {
            name: name.to_string(),
            signature: Signature::user_defined(volatility),
            parameters,
            returns,
            expression,
            body,
        })
    }

    /// Whether it may give another value whenever it is called.
    pub(crate) fn is_volatile(&self) -> bool {
        self.signature.volatility == Volatility::Volatile
    }
}

fn parameters_of(fields: &[DataField]) -> Schema {
    let fields = fields.iter();
    Schema::new(
        fields
            .map(|f| Field::new(&f.name, arrow_type(&f.data_type), true))
            .collect::<Vec<_>>(),
    )
}

/// An expression over the parameters, as a value of a type: analysed, and to be computed.
fn planned(
    session: &PaimonSession,
    text: &str,
    parameters: &SchemaRef,
    returns: &DataType,
) -> Result<(Expr, Arc<dyn PhysicalExpr>)> {
    let state = session.context.state();
    let schema = DFSchema::try_from(parameters.as_ref().clone())?;
    let expr = ExprWithAlias {
        expr: expression(session, text)?,
        alias: None,
    };
    let expr = state.create_logical_expr_from_sql_expr(expr, &schema)?;
    let reads = |expr: &Expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_)
        ))
    };
    if expr.exists(reads)? {
        return Err(to_datafusion(Error::unsupported(
            "functions that read tables are not supported",
        )));
    }
    // analysed as a column of a query would be
    let row = LogicalPlan::EmptyRelation(EmptyRelation {
        produce_one_row: true,
        schema: Arc::new(schema.clone()),
    });
    let plan = LogicalPlanBuilder::from(row)
        .project([cast(expr, returns.clone())])?
        .build()?;
    let config = state.config_options();
    let plan = state
        .analyzer()
        .execute_and_check(plan, config, |_, _| {})?;
    let Some(expr) = plan.expressions().into_iter().next() else {
        return Err(DataFusionError::Internal(
            "a function lost its expression".into(),
        ));
    };
    let expr = expr.unalias();
    let body = state.create_physical_expr(expr.clone(), &schema)?;
    Ok((expr, body))
}

/// The parsed expression.
fn expression(session: &PaimonSession, text: &str) -> Result<SqlExpr> {
    let parsed = session.parse_statement(tokenize(&format!("SELECT {text}"))?)?;
    if let Statement::Statement(sql) = &parsed
        && let Sql::Query(query) = sql.as_ref()
        && let SetExpr::Select(select) = query.body.as_ref()
        && let [SelectItem::UnnamedExpr(expr)] = select.projection.as_slice()
        && query.to_string() == format!("SELECT {expr}")
    {
        return Ok(expr.clone());
    }
    Err(DataFusionError::Plan(format!(
        "one expression is expected as what a function returns, found {text}"
    )))
}

impl ScalarUDFImpl for StoredFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let wanted = self.parameters.fields();
        if given.len() != wanted.len() {
            return Err(DataFusionError::Plan(format!(
                "function {} takes {} arguments, found {}",
                self.name,
                wanted.len(),
                given.len()
            )));
        }
        Ok(wanted.iter().map(|f| f.data_type().clone()).collect())
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        if args.iter().any(Expr::is_volatile) {
            return Ok(ExprSimplifyResult::Original(args));
        }
        let argument = |expr: Expr| {
            let at = match &expr {
                Expr::Column(column) => self.parameters.index_of(&column.name).ok(),
                _ => None,
            };
            Ok(match at.and_then(|at| args.get(at)) {
                Some(argument) => Transformed::yes(argument.clone()),
                None => Transformed::no(expr),
            })
        };
        let inlined = self.expression.clone().transform_up(argument)?;
        Ok(ExprSimplifyResult::Simplified(inlined.data))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns = args.args.into_iter().map(|a| a.into_array(rows));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = self.parameters.clone();
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        self.body.evaluate(&batch)
    }
}
