//! The JSON of a view.
//!
//! Java: `ViewSchema`.

use std::collections::BTreeMap;

use paimon_core::spec::DataField;
#[cfg(feature = "jdbc")]
use paimon_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::View;

#[cfg(feature = "jdbc")]
impl View {
    /// A view of its JSON.
    ///
    /// # Errors
    /// `Damaged` for another text.
    pub(crate) fn of_json(json: &str) -> Result<Self> {
        let schema: ViewSchema = serde_json::from_str(json)
            .map_err(|e| Error::damaged("the text of a view is no JSON of one").with_source(e))?;
        Ok(schema.into())
    }

    /// Its JSON.
    ///
    /// # Errors
    /// Never for views.
    pub(crate) fn json(&self) -> Result<String> {
        serde_json::to_string(&DeclaredView::of(self))
            .map_err(|e| Error::internal("a view has no JSON").with_source(e))
    }
}

/// The JSON of a view, read.
#[derive(Debug, Deserialize)]
pub(crate) struct ViewSchema {
    #[serde(default)]
    fields: Vec<DataField>,
    query: String,
    dialects: Option<BTreeMap<String, String>>,
    comment: Option<String>,
    options: Option<BTreeMap<String, String>>,
}

impl From<ViewSchema> for View {
    fn from(schema: ViewSchema) -> Self {
        Self {
            fields: schema.fields,
            query: schema.query,
            dialects: schema.dialects.unwrap_or_default(),
            comment: schema.comment,
            options: schema.options.unwrap_or_default(),
        }
    }
}

/// The JSON of a view, written.
#[derive(Debug, Serialize)]
pub(crate) struct DeclaredView<'a> {
    fields: &'a [DataField],
    query: &'a str,
    dialects: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
    options: &'a BTreeMap<String, String>,
}

impl<'a> DeclaredView<'a> {
    pub(crate) fn of(view: &'a View) -> Self {
        Self {
            fields: &view.fields,
            query: &view.query,
            dialects: &view.dialects,
            comment: view.comment.as_deref(),
            options: &view.options,
        }
    }
}
