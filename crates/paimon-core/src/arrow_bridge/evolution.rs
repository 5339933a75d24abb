//! stub
use crate::error::Result;
use crate::predicate::Leaf;
use crate::spec::DataField;
use arrow_array::RecordBatch;
#[allow(missing_docs)]
pub struct EvolutionPlan {
    cols: Vec<DataField>,
}
#[allow(missing_docs)]
impl EvolutionPlan {
    pub fn new(file_fields: &[DataField], read_fields: &[DataField]) -> Result<Self> {
        Ok(Self {
            cols: read_fields
                .iter()
                .filter_map(|r| file_fields.iter().find(|f| f.id == r.id).cloned())
                .collect(),
        })
    }
    pub fn file_columns(&self) -> &[DataField] {
        &self.cols
    }
    pub fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        Ok(batch)
    }
    pub fn map_leaf(&self, _leaf: &Leaf) -> Option<Leaf> {
        None
    }
}
#[allow(missing_docs)]
pub fn array_of(
    _d: Option<&crate::spec::Datum>,
    t: &crate::spec::DataType,
    n: usize,
) -> Result<arrow_array::ArrayRef> {
    Ok(arrow_array::new_null_array(&super::arrow_type(t), n))
}
