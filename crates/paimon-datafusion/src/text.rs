//! Values as texts, for formats that hold nothing else: keys of maps in JSON, nested values in CSV.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, GenericListArray, MapArray, OffsetSizeTrait,
    RecordBatch, RecordBatchOptions, StringArray, StructArray,
};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};

type Result<T> = std::result::Result<T, ArrowError>;

/// How nested values look as texts.
pub fn nested_options() -> FormatOptions<'static> {
    FormatOptions::default()
        .with_display_error(false)
        .with_null("null")
}

/// Rows whose maps, however deep, have texts as keys: what JSON can hold. Other values stay as they are.
///
/// # Errors
/// When a key has no text.
pub fn with_text_keys(batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = batch.schema();
    let fields: Vec<FieldRef> = schema.fields().iter().map(text_keyed).collect();
    if fields.as_slice() == schema.fields().as_ref() {
        return Ok(batch.clone());
    }
    let columns = batch.columns().iter().map(keys_as_texts);
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

/// The rows of a plan as JSON can hold them.
///
/// # Errors
/// Never for valid plans.
pub(crate) fn for_json(plan: LogicalPlan) -> PlanResult<LogicalPlan> {
    converted(plan, Conversion::TextKeys)
}

/// The rows of a plan as CSV can hold them: nested values are the texts that the program prints.
///
/// # Errors
/// Never for valid plans.
pub(crate) fn for_csv(plan: LogicalPlan) -> PlanResult<LogicalPlan> {
    converted(plan, Conversion::NestedTexts)
}

/// The plan with those columns converted that need it.
fn converted(plan: LogicalPlan, conversion: Conversion) -> PlanResult<LogicalPlan> {
    let needs = |field: &FieldRef| conversion.of_type(field.data_type()) != *field.data_type();
    if !plan.schema().fields().iter().any(needs) {
        return Ok(plan);
    }
    let function = Arc::new(ScalarUDF::new_from_impl(Convert {
        conversion,
        signature: Signature::any(1, Volatility::Immutable),
    }));
    let columns: Vec<Expr> = plan
        .schema()
        .iter()
        .map(|(qualifier, field)| {
            let column = Expr::from((qualifier, field));
            match needs(field) {
                true => function.call(vec![column]).alias(field.name()),
                false => column,
            }
        })
        .collect();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// What becomes of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Conversion {
    TextKeys,
    NestedTexts,
}

impl Conversion {
    fn of_type(self, data_type: &DataType) -> DataType {
        match self {
            Self::TextKeys => text_keyed_type(data_type),
            Self::NestedTexts if data_type.is_nested() => DataType::Utf8,
            Self::NestedTexts => data_type.clone(),
        }
    }

    fn of_array(self, array: &ArrayRef) -> Result<ArrayRef> {
        match self {
            Self::TextKeys => keys_as_texts(array),
            Self::NestedTexts => texts(array),
        }
    }
}

/// A conversion as a function, of which only plans of files to write know.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Convert {
    conversion: Conversion,
    signature: Signature,
}

impl ScalarUDFImpl for Convert {
    fn name(&self) -> &str {
        match self.conversion {
            Conversion::TextKeys => "with_text_keys",
            Conversion::NestedTexts => "as_text",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> PlanResult<DataType> {
        let argument = arguments.first().unwrap_or(&DataType::Null);
        Ok(self.conversion.of_type(argument))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let converted = arrays.iter().map(|array| self.conversion.of_array(array));
        match converted.collect::<Result<Vec<_>>>()?.pop() {
            Some(array) => Ok(ColumnarValue::Array(array)),
            None => datafusion::common::internal_err!("{} has no argument", self.name()),
        }
    }
}

fn texts(array: &ArrayRef) -> Result<ArrayRef> {
    let options = nested_options();
    let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
    let text = |row| match array.is_null(row) {
        true => Ok(None),
        false => formatter.value(row).try_to_string().map(Some),
    };
    let texts = (0..array.len())
        .map(text)
        .collect::<Result<StringArray>>()?;
    Ok(Arc::new(texts))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

fn text_keyed(field: &FieldRef) -> FieldRef {
    let data_type = text_keyed_type(field.data_type());
    match data_type == *field.data_type() {
        true => Arc::clone(field),
        false => Arc::new(field.as_ref().clone().with_data_type(data_type)),
    }
}

fn text_keyed_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::List(item) => DataType::List(text_keyed(item)),
        DataType::LargeList(item) => DataType::LargeList(text_keyed(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(text_keyed(item), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(text_keyed).collect()),
        DataType::Map(entries, sorted) => DataType::Map(text_keyed_entries(entries), *sorted),
        other => other.clone(),
    }
}

fn text_keyed_entries(entries: &FieldRef) -> FieldRef {
    let DataType::Struct(pair) = entries.data_type() else {
        return Arc::clone(entries);
    };
    let fields: Fields = pair
        .iter()
        .enumerate()
        .map(|(i, field)| match i {
            0 if !is_text(field.data_type()) => Arc::new(Field::new(
                field.name(),
                DataType::Utf8,
                field.is_nullable(),
            )),
            _ => text_keyed(field),
        })
        .collect();
    let entries = entries.as_ref().clone();
    Arc::new(entries.with_data_type(DataType::Struct(fields)))
}

fn keys_as_texts(array: &ArrayRef) -> Result<ArrayRef> {
    let target = text_keyed_type(array.data_type());
    if target == *array.data_type() {
        return Ok(Arc::clone(array));
    }
    Ok(match &target {
        DataType::List(item) => Arc::new(list(array.as_list::<i32>(), item)?),
        DataType::LargeList(item) => Arc::new(list(array.as_list::<i64>(), item)?),
        DataType::FixedSizeList(item, size) => {
            let lists = array.as_fixed_size_list();
            let items = keys_as_texts(lists.values())?;
            let nulls = lists.nulls().cloned();
            Arc::new(FixedSizeListArray::try_new(
                Arc::clone(item),
                *size,
                items,
                nulls,
            )?)
        }
        DataType::Struct(fields) => Arc::new(fields_of(array.as_struct(), fields)?),
        DataType::Map(entries, sorted) => Arc::new(map(array.as_map(), entries, *sorted)?),
        _ => Arc::clone(array),
    })
}

fn list<O: OffsetSizeTrait>(
    lists: &GenericListArray<O>,
    item: &FieldRef,
) -> Result<GenericListArray<O>> {
    let items = keys_as_texts(lists.values())?;
    let (offsets, nulls) = (lists.offsets().clone(), lists.nulls().cloned());
    GenericListArray::try_new(Arc::clone(item), offsets, items, nulls)
}

fn fields_of(rows: &StructArray, fields: &Fields) -> Result<StructArray> {
    let columns = rows.columns().iter().map(keys_as_texts);
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let nulls = rows.nulls().cloned();
    StructArray::try_new_with_length(fields.clone(), columns, nulls, rows.len())
}

fn map(maps: &MapArray, entries: &FieldRef, sorted: bool) -> Result<MapArray> {
    let DataType::Struct(pair) = entries.data_type() else {
        return Err(ArrowError::SchemaError("a map has entries".into()));
    };
    let keys = match is_text(maps.keys().data_type()) {
        true => Arc::clone(maps.keys()),
        false => texts(maps.keys())?,
    };
    let values = keys_as_texts(maps.values())?;
    let pairs = StructArray::try_new(pair.clone(), vec![keys, values], None)?;
    let (offsets, nulls) = (maps.offsets().clone(), maps.nulls().cloned());
    MapArray::try_new(Arc::clone(entries), offsets, pairs, nulls, sorted)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::session::PaimonSession;

    #[tokio::test]
    async fn keys_of_maps_are_texts_however_deep() {
        let sql = "SELECT 1 AS id, map([1, 20], [[map([true], ['x'])], NULL]) AS m, \
                   {'a': map([DATE '2024-01-01'], [1])} AS s";
        let batches = PaimonSession::new().sql(sql).await.unwrap();
        let batches = batches.collect().await.unwrap();
        let rows = with_text_keys(&batches[0]).unwrap();
        let mut lines = Vec::new();
        let mut writer = arrow::json::LineDelimitedWriter::new(&mut lines);
        writer.write(&rows).unwrap();
        writer.finish().unwrap();
        assert_eq!(
            String::from_utf8(lines).unwrap(),
            "{\"id\":1,\"m\":{\"1\":[{\"true\":\"x\"}]},\"s\":{\"a\":{\"2024-01-01\":1}}}\n"
        );
    }

    #[test]
    fn rows_without_maps_stay() {
        let ids: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        let batch = RecordBatch::try_from_iter([("id", ids)]).unwrap();
        assert_eq!(with_text_keys(&batch).unwrap(), batch);
    }
}
