//! Functions of Java Paimon that are not here.

use arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use paimon_core::Error;

use super::lost;
use crate::error::to_datafusion;

/// Names, and why.
const ABSENT: &[(&str, &str)] = &[
    (
        "sys.blob_view",
        "views of BLOB values in other tables are not written here",
    ),
    (
        "sys.descriptor_to_presigned_url",
        "stores are not asked for signed addresses: read the file named by sys.descriptor_to_string",
    ),
    (
        "sys.try_descriptor_to_presigned_url",
        "stores are not asked for signed addresses: read the file named by sys.descriptor_to_string",
    ),
];

pub(super) fn functions() -> Vec<ScalarUDF> {
    let absent = ABSENT.iter().map(|(name, why)| Absent {
        name,
        why,
        signature: Signature::variadic_any(Volatility::Immutable),
    });
    absent.map(ScalarUDF::new_from_impl).collect()
}

/// Refuses every call when it is planned.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Absent {
    name: &'static str,
    why: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for Absent {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        let error = format!("function {} is not supported: {}", self.name, self.why);
        Err(to_datafusion(Error::unsupported(error)))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(lost("the type"))
    }
}
