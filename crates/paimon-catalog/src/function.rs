//! Functions as catalogs keep them.
//!
//! Java: `org.apache.paimon.function`, whose JSON services keep.

use std::collections::BTreeMap;

use paimon_core::spec::DataField;
use paimon_core::{Error, Result};
use serde::{Deserialize, Deserializer, Serialize};

/// A function with a name: what it takes and gives, and how single programs compute it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Function {
    /// Names and types of what it takes, in order; `None` where nobody said.
    pub input_params: Option<Vec<DataField>>,
    /// What it gives; `None` where nobody said.
    pub return_params: Option<Vec<DataField>>,
    /// Whether it gives the same for the same arguments.
    #[serde(deserialize_with = "or_default")]
    pub deterministic: bool,
    /// How it is computed, by the names of programs such as `spark` and `flink`.
    #[serde(deserialize_with = "or_default")]
    pub definitions: BTreeMap<String, FunctionDefinition>,
    /// What it is for.
    pub comment: Option<String>,
    /// Free properties.
    #[serde(deserialize_with = "or_default")]
    pub options: BTreeMap<String, String>,
}

/// How a program computes a function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "lowercase",
    rename_all_fields = "camelCase"
)]
pub enum FunctionDefinition {
    /// By code in files.
    File {
        /// The files.
        #[serde(default)]
        file_resources: Option<Vec<FunctionFile>>,
        /// Such as `JAVA`.
        language: Option<String>,
        /// The class.
        class_name: Option<String>,
        /// The name in the class or program.
        function_name: Option<String>,
    },
    /// By an expression of SQL.
    Sql {
        /// The expression.
        definition: String,
    },
    /// By a lambda.
    Lambda {
        /// Its source.
        definition: String,
        /// Such as `JAVA`.
        language: Option<String>,
    },
}

impl FunctionDefinition {
    /// `file`, `sql` or `lambda`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Sql { .. } => "sql",
            Self::Lambda { .. } => "lambda",
        }
    }
}

/// A file with code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionFile {
    /// Such as `JAR`.
    pub resource_type: Option<String>,
    /// Where it lies.
    pub uri: String,
}

/// A change of a function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "camelCase")]
pub enum FunctionChange {
    /// Sets an option.
    SetOption {
        /// Its key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Removes an option.
    RemoveOption {
        /// Its key.
        key: String,
    },
    /// Sets the comment, or removes it.
    UpdateComment {
        /// The comment; `None` removes it.
        comment: Option<String>,
    },
    /// Adds a definition for a program that has none.
    AddDefinition {
        /// The program.
        name: String,
        /// The definition.
        definition: FunctionDefinition,
    },
    /// Replaces the definition for a program.
    UpdateDefinition {
        /// The program.
        name: String,
        /// The definition.
        definition: FunctionDefinition,
    },
    /// Removes the definition for a program.
    DropDefinition {
        /// The program.
        name: String,
    },
}

impl FunctionChange {
    /// A change as Java's procedure `alter_function` takes it, such as `{"action": "dropDefinition", "name": "spark"}`.
    ///
    /// # Errors
    /// `InvalidInput` for another text.
    pub fn of_json(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|e| {
            Error::invalid(
                "a change of a function is JSON such as {\"action\": \"addDefinition\", \"name\": \"spark\", \
                 \"definition\": {\"type\": \"sql\", \"definition\": \"x + 1\"}}",
            )
            .with_source(e)
        })
    }
}

/// JSON null stands for what there is without a value.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> std::result::Result<T, D::Error> {
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use paimon_core::spec::parse_data_type;
    use serde_json::json;

    use super::*;

    #[test]
    fn functions_have_the_json_of_java() {
        let json = json!({
            "inputParams": [{ "id": 0, "name": "length", "type": "DOUBLE" }],
            "returnParams": [{ "id": 0, "name": "area", "type": "DOUBLE" }],
            "deterministic": true,
            "definitions": {
                "flink": {
                    "type": "file", "fileResources": [{ "resourceType": "JAR", "uri": "/a/b.jar" }],
                    "language": "JAVA", "className": "C", "functionName": "f",
                },
                "spark": { "type": "lambda", "definition": "(Double l) -> l", "language": "JAVA" },
                "trino": { "type": "sql", "definition": "length * 2" },
            },
            "comment": null,
            "options": { "k": "v" },
        });
        let function: Function = serde_json::from_value(json.clone()).unwrap();
        let length = &function.input_params.as_ref().unwrap()[0];
        assert_eq!(length.data_type, parse_data_type("DOUBLE").unwrap());
        let kinds: Vec<&str> = function.definitions.values().map(|d| d.kind()).collect();
        assert_eq!(kinds, ["file", "lambda", "sql"]);
        assert_eq!(serde_json::to_value(&function).unwrap(), json);

        let empty =
            json!({ "uuid": "x", "name": "f", "definitions": null, "options": null, "owner": "o" });
        let empty: Function = serde_json::from_value(empty).unwrap();
        assert_eq!(empty, Function::default());
    }

    #[test]
    fn changes_have_the_json_of_java() {
        let sql = || FunctionDefinition::Sql {
            definition: "x * y".to_string(),
        };
        let name = || "e".to_string();
        for (change, json) in [
            (
                FunctionChange::SetOption {
                    key: "k".to_string(),
                    value: "v".to_string(),
                },
                json!({ "action": "setOption", "key": "k", "value": "v" }),
            ),
            (
                FunctionChange::RemoveOption {
                    key: "k".to_string(),
                },
                json!({ "action": "removeOption", "key": "k" }),
            ),
            (
                FunctionChange::UpdateComment { comment: None },
                json!({ "action": "updateComment", "comment": null }),
            ),
            (
                FunctionChange::AddDefinition {
                    name: name(),
                    definition: sql(),
                },
                json!({ "action": "addDefinition", "name": "e",
                        "definition": { "type": "sql", "definition": "x * y" } }),
            ),
            (
                FunctionChange::UpdateDefinition {
                    name: name(),
                    definition: sql(),
                },
                json!({ "action": "updateDefinition", "name": "e",
                        "definition": { "type": "sql", "definition": "x * y" } }),
            ),
            (
                FunctionChange::DropDefinition { name: name() },
                json!({ "action": "dropDefinition", "name": "e" }),
            ),
        ] {
            assert_eq!(serde_json::to_value(&change).unwrap(), json);
            assert_eq!(FunctionChange::of_json(&json.to_string()).unwrap(), change);
        }
        for wrong in ["", "{}", "{\"action\": \"other\"}", "[1]"] {
            assert!(FunctionChange::of_json(wrong).is_err(), "{wrong}");
        }
    }
}
