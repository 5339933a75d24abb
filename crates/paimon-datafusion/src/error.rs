//! Errors across the border to DataFusion.

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
}
