//! Errors across the border to DataFusion.

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use paimon_core::Error;

/// Wraps an engine error; [`paimon_error`] finds it again.
pub fn to_datafusion(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The engine error inside a DataFusion error, whatever it is wrapped in.
pub fn paimon_error(error: &DataFusionError) -> Option<&Error> {
    let mut current: &(dyn std::error::Error + 'static) = error;
    loop {
        if let Some(own) = current.downcast_ref::<Error>() {
            return Some(own);
        }
        current = match current.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::External(inner)) => {
                let inner: &(dyn std::error::Error + 'static) = inner.as_ref();
                inner
            }
            Some(DataFusionError::Collection(all)) => {
                return all.iter().find_map(paimon_error);
            }
            _ => current.source()?,
        };
    }
}

/// What went wrong, in words for who wrote the statement: the engine's own message, else that of DataFusion without the
/// steps of planning that it came through.
pub fn error_message(error: &DataFusionError) -> String {
    if let Some(own) = paimon_error(error) {
        return own.to_string();
    }
    match error {
        DataFusionError::Context(step, inner) if is_step(step) => error_message(inner),
        DataFusionError::Context(what, inner) => format!("{what}: {}", error_message(inner)),
        DataFusionError::Shared(inner) => error_message(inner),
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            ArrowError::CastError(text) => text.clone(),
            _ => error.strip_backtrace(),
        },
        _ => error.strip_backtrace(),
    }
}

/// Whether a context names a rule of DataFusion, as `Optimizer rule 'simplify_expressions' failed` and `type_coercion`.
fn is_step(context: &str) -> bool {
    let is_rule = context.contains("rule '") && context.ends_with("failed");
    is_rule || context.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_engine_error_is_found_below_wrappers() {
        let error = to_datafusion(Error::damaged("broken")).context("while reading");
        let shared = DataFusionError::Shared(Arc::new(error));
        assert_eq!(paimon_error(&shared).map(Error::message), Some("broken"));
        assert!(paimon_error(&DataFusionError::Plan("x".into())).is_none());
    }

    #[test]
    fn messages_name_the_cause_and_not_the_rule_that_met_it() {
        let cause = ArrowError::CastError("Cannot cast string 'abc' to value of Int32 type".into());
        let error = DataFusionError::from(cause)
            .context("Optimizer rule 'simplify_expressions' failed")
            .context("in view a.b.c");
        let shared = DataFusionError::Shared(Arc::new(error));
        assert_eq!(
            error_message(&shared),
            "in view a.b.c: Cannot cast string 'abc' to value of Int32 type"
        );
    }
}
