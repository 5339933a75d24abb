//! Functions that statements of `paimon-datafusion` add to plans.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use paimon_core::spec::DataField;
use paimon_datafusion::nodes::{Assign, CheckNewer, ZoneCast};
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
    #[prost(bool, tag = "5")]
    fills: bool,
}

/// A check that changed rows are not before those that they change.
#[derive(Clone, PartialEq, Message)]
struct CheckNewerMessage {
    #[prost(string, tag = "1")]
    table: String,
    #[prost(string, tag = "2")]
    option: String,
}

/// A cast between times without zone and instants.
#[derive(Clone, PartialEq, Message)]
struct ZoneCastMessage {
    #[prost(string, tag = "1")]
    time_zone: String,
    /// Digits of the seconds of the target: 0, 3, 6 or 9.
    #[prost(uint32, tag = "2")]
    digits: u32,
    /// Zone of the target, if it has one.
    #[prost(string, optional, tag = "3")]
    target_zone: Option<String>,
    #[prost(bool, tag = "4")]
    lenient: bool,
}

/// Functions of DataFusion travel by their name alone.
pub(crate) fn encode(function: &ScalarUDF, bytes: &mut Vec<u8>) -> Result<()> {
    if let Some(cast) = function.inner().downcast_ref::<ZoneCast>() {
        bytes.extend(sealed(&zone_cast_message(cast)?));
        return Ok(());
    }
    if let Some(check) = function.inner().downcast_ref::<CheckNewer>() {
        bytes.extend(sealed(&CheckNewerMessage {
            table: check.table().to_string(),
            option: check.option().to_string(),
        }));
        return Ok(());
    }
    let Some(assign) = function.inner().downcast_ref::<Assign>() else {
        return Ok(());
    };
    let message = AssignMessage {
        fields: json(&assign.fields()).map_err(to_datafusion)?,
        table: assign.table().to_string(),
        time_zone: assign.zone().to_string(),
        column: wide(assign.column()),
        fills: assign.fills(),
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
    if name == ZoneCast::NAME {
        let cast = zone_cast(bytes).map_err(to_datafusion)?;
        return Ok(Arc::new(ScalarUDF::new_from_impl(cast)));
    }
    if name == CheckNewer::NAME {
        let message: CheckNewerMessage = opened(bytes).map_err(to_datafusion)?;
        let check = CheckNewer::new(&message.table, &message.option);
        return Ok(Arc::new(ScalarUDF::new_from_impl(check)));
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
        Ok(Assign::new(fields, &message.table, &message.time_zone, column).filling(message.fills))
    };
    let assign = assign().map_err(to_datafusion)?;
    Ok(Arc::new(ScalarUDF::new_from_impl(assign)))
}

fn zone_cast_message(cast: &ZoneCast) -> Result<ZoneCastMessage> {
    let DataType::Timestamp(unit, target_zone) = cast.target() else {
        return Err(DataFusionError::Internal(
            "a cast of times has another target".into(),
        ));
    };
    Ok(ZoneCastMessage {
        time_zone: cast.zone().to_string(),
        digits: match unit {
            TimeUnit::Second => 0,
            TimeUnit::Millisecond => 3,
            TimeUnit::Microsecond => 6,
            TimeUnit::Nanosecond => 9,
        },
        target_zone: target_zone.as_ref().map(ToString::to_string),
        lenient: cast.is_lenient(),
    })
}

fn zone_cast(bytes: &[u8]) -> paimon_core::Result<ZoneCast> {
    let message: ZoneCastMessage = opened(bytes)?;
    let unit = match message.digits {
        0 => TimeUnit::Second,
        3 => TimeUnit::Millisecond,
        6 => TimeUnit::Microsecond,
        9 => TimeUnit::Nanosecond,
        other => {
            return Err(paimon_core::Error::damaged(format!(
                "a plan casts to a time of {other} digits"
            )));
        }
    };
    let target = DataType::Timestamp(unit, message.target_zone.map(Into::into));
    Ok(ZoneCast::new(&message.time_zone, target).lenient(message.lenient))
}
