//! Rows of the informational statements.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::dataframe::DataFrame;
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlanBuilder;

use crate::session::PaimonSession;

/// One column of text.
pub(crate) fn text_column<S: AsRef<str>>(
    session: &PaimonSession,
    name: &str,
    values: impl IntoIterator<Item = S>,
) -> Result<DataFrame> {
    let rows = values.into_iter().map(|v| [v.as_ref().to_string()]);
    text_rows(session, [name], rows)
}

/// Columns of text.
pub(crate) fn text_rows<const N: usize>(
    session: &PaimonSession,
    names: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Result<DataFrame> {
    let rows: Vec<[String; N]> = rows.into_iter().collect();
    let arrays = (0..N).map(|i| {
        let values = rows.iter().filter_map(|r| r.get(i).map(String::as_str));
        Arc::new(StringArray::from_iter_values(values)) as ArrayRef
    });
    batch(session, names.iter().copied().zip(arrays).collect())
}

/// Text columns and a last one of booleans.
pub(crate) fn flagged_rows(
    session: &PaimonSession,
    names: [&str; 3],
    rows: &[(String, String, bool)],
) -> Result<DataFrame> {
    let rows = rows.iter().map(|r| (&r.0, &r.1, r.2));
    let columns = flagged(rows).into_iter();
    batch(session, names.into_iter().zip(columns).collect())
}

/// Two columns of text and one of booleans.
fn flagged<'a>(
    rows: impl Iterator<Item = (&'a String, &'a String, bool)> + Clone,
) -> [ArrayRef; 3] {
    let first = StringArray::from_iter_values(rows.clone().map(|r| r.0));
    let second = StringArray::from_iter_values(rows.clone().map(|r| r.1));
    let flags: BooleanArray = rows.map(|r| Some(r.2)).collect();
    [Arc::new(first), Arc::new(second), Arc::new(flags)]
}

/// Text columns beside a third one of booleans.
pub(crate) fn informed_rows(
    session: &PaimonSession,
    names: [&str; 4],
    rows: &[(String, String, bool, String)],
) -> Result<DataFrame> {
    let information = StringArray::from_iter_values(rows.iter().map(|r| &r.3));
    let rows = rows.iter().map(|r| (&r.0, &r.1, r.2));
    let columns = flagged(rows).into_iter();
    let columns = columns.chain([Arc::new(information) as ArrayRef]);
    batch(session, names.into_iter().zip(columns).collect())
}

fn batch(session: &PaimonSession, columns: Vec<(&str, ArrayRef)>) -> Result<DataFrame> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| {
            let data_type: DataType = array.data_type().clone();
            Field::new(*name, data_type, false)
        })
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
    session.context().read_batch(batch)
}

/// The result of a statement without rows.
pub(crate) fn nothing(session: &PaimonSession) -> Result<DataFrame> {
    let plan = LogicalPlanBuilder::empty(false).build()?;
    Ok(DataFrame::new(session.context().state(), plan))
}
