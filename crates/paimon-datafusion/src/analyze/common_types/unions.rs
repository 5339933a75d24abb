//! Columns of unions whose types differ between the inputs.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Union};

use super::{brought_to, to_be_compared};

/// Brings them to their common type.
pub(super) fn with_common_types(union: Union, zone: &str) -> Result<Union> {
    let types = |column: usize| {
        let of_input = |input: &Arc<LogicalPlan>| {
            let field = input.schema().fields().get(column)?;
            Some(field.data_type().clone())
        };
        union.inputs.iter().map(of_input).collect::<Vec<_>>()
    };
    let casts: Vec<_> = (0..union.schema.fields().len())
        .map(|column| to_be_compared(&types(column), zone))
        .collect();
    if casts.iter().all(Option::is_none) {
        // an input may have got another type, of which a union learns nothing by itself
        return Union::try_new_with_loose_types(union.inputs);
    }
    let inputs = union.inputs.iter().map(|input| {
        let schema = input.schema();
        let columns = schema.columns().into_iter().zip(schema.fields());
        let columns = columns.zip(&casts).map(|((column, field), to_be_cast)| {
            let name = column.name.clone();
            match to_be_cast {
                Some((from, to)) if from(field.data_type()) => {
                    brought_to(Expr::Column(column), to, zone).alias(name)
                }
                _ => Expr::Column(column),
            }
        });
        let projection = Projection::try_new(columns.collect(), Arc::clone(input))?;
        Ok(Arc::new(LogicalPlan::Projection(projection)))
    });
    Union::try_new_with_loose_types(inputs.collect::<Result<_>>()?)
}
