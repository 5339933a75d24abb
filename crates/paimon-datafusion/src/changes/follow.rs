//! Changes as they come.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use paimon_core::table::{ChangeBatch, ChangeStream};

use super::binlog::Packing;
use super::shape::Shape;
use crate::error::to_datafusion;

impl Shape {
    /// Shows the rows of a stream under a projected schema.
    pub(crate) fn follow(
        self,
        changes: ChangeStream,
        schema: SchemaRef,
    ) -> BoxStream<'static, Result<RecordBatch>> {
        let changes = changes.map_err(to_datafusion);
        match self {
            Self::Binlog => packed(changes, schema).boxed(),
            _ => changes
                .try_filter_map(move |batch| {
                    let shown = match batch.rows.num_rows() {
                        0 => Ok(None),
                        _ => self.shown(&batch.rows, &schema).map(Some),
                    };
                    futures::future::ready(shown)
                })
                .try_filter(|batch| futures::future::ready(batch.num_rows() > 0))
                .boxed(),
        }
    }
}

/// The rows of a binlog: an update is packed within its split.
fn packed(
    changes: impl Stream<Item = Result<ChangeBatch>> + Send + 'static,
    schema: SchemaRef,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    let mut packing = Packing::new(schema.clone(), false);
    let mut split = (0, 0);
    changes
        .map(move |batch| {
            let batch = batch?;
            let mut shown = Vec::new();
            if split != (batch.snapshot_id, batch.split) {
                shown.extend(packing.end()?);
                split = (batch.snapshot_id, batch.split);
                packing = Packing::new(schema.clone(), !batch.full);
            }
            if batch.rows.num_rows() > 0 {
                shown.extend(packing.add(batch.rows)?);
            }
            if batch.completes.is_some() {
                shown.extend(packing.end()?);
            }
            Ok::<_, DataFusionError>(futures::stream::iter(shown.into_iter().map(Ok)))
        })
        .try_flatten()
}
