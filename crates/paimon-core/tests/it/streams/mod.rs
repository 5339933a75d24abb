//! Streaming reads.

mod consumers;
mod golden;
mod plans;
mod random;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int32Type, Int64Type};
use futures::FutureExt;
use futures::future::BoxFuture;
use paimon_core::table::{Pause, StreamRead, Table};
use tokio::sync::Notify;

use crate::compact::trees::Record;

fn options(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    let owned = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into()));
    owned.collect()
}

async fn stream(table: &Table, pairs: &[(&str, &str)]) -> StreamRead {
    table.new_stream_read(&options(pairs)).await.unwrap()
}

/// Rows of a table of columns k, s, v, with their kinds.
fn records(batch: &RecordBatch) -> Vec<Record> {
    let keys = batch.column(0).as_primitive::<Int32Type>().values();
    let orders = batch.column(1).as_primitive::<Int32Type>().iter();
    let values = batch.column(2).as_primitive::<Int64Type>().iter();
    let kinds = batch.column(3).as_primitive::<Int8Type>().values();
    let columns = keys.iter().zip(orders).zip(values).zip(kinds);
    columns
        .map(|(((key, order), value), kind)| (*key, order, value, *kind))
        .collect()
}

/// Tells when a stream waits, and lets it go on when told to.
#[derive(Debug, Clone, Default)]
struct Told {
    waits: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Pause for Told {
    fn pause(&self, _time: Duration) -> BoxFuture<'static, ()> {
        let own = self.clone();
        async move {
            own.waits.notify_one();
            own.go_on.notified().await;
        }
        .boxed()
    }
}
