//! Functions that statements of `paimon-datafusion` add to plans.

use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use paimon_core::spec::DataField;
use paimon_datafusion::nodes::Assign;
use paimon_datafusion::to_datafusion;
use prost::Message;

use crate::envelope::{narrow, opened, sealed, wide};
use crate::wire::predicate::{json, of_json};

/// The assignment of a value to a column.
#[derive(Clone, PartialEq, Message)]
struct AssignMessage {
    /// As in schema files.
    #[prost(string, tag = "1")]
    fields: String,
    #[prost(string, tag = "2")]
    table: String,
    #[prost(string, tag = "3")]
    time_zone: String,
    #[prost(uint64, tag = "4")]
    column: u64,
}

/// Functions of DataFusion travel by their name alone.
pub(crate) fn encode(function: &ScalarUDF, bytes: &mut Vec<u8>) -> Result<()> {
    let Some(assign) = function.inner().downcast_ref::<Assign>() else {
        return Ok(());
    };
    let message = AssignMessage {
        fields: json(&assign.fields()).map_err(to_datafusion)?,
        table: assign.table().to_string(),
        time_zone: assign.zone().to_string(),
        column: wide(assign.column()),
    };
    bytes.extend(sealed(&message));
    Ok(())
}

pub(crate) fn decode(name: &str, bytes: &[u8]) -> Result<Arc<ScalarUDF>> {
    if bytes.is_empty() {
        return Err(DataFusionError::Plan(format!(
            "a plan calls the function {name}, which this process does not have"
        )));
    }
    let assign = || -> paimon_core::Result<Assign> {
        let message: AssignMessage = opened(bytes)?;
        let fields: Vec<DataField> = of_json(&message.fields, "columns")?;
        let column: usize = narrow(message.column, "a column")?;
        if column >= fields.len() {
            return Err(paimon_core::Error::damaged(format!(
                "a plan assigns to column {column} of {}",
                fields.len()
            )));
        }
        Ok(Assign::new(
            fields,
            &message.table,
            &message.time_zone,
            column,
        ))
    };
    let assign = assign().map_err(to_datafusion)?;
    Ok(Arc::new(ScalarUDF::new_from_impl(assign)))
}
