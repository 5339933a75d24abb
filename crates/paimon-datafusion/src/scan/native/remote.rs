//! The Parquet source over stores where a request costs more than the bytes it brings.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{
    CachedParquetFileReaderFactory, ParquetFileReaderFactory,
};
use datafusion::datasource::physical_plan::{FileSource, ParquetSource};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::ObjectStore;
use paimon_core::io::{CacheObserver, CacheUsage, FileIo};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};

/// Bytes of a first read of a footer when the session does not say. Holds the whole footer of most files.
const FOOTER_BYTES: usize = 64 << 10;

/// A source for the files of a store. From one far away it fetches a footer with its page index with one request, and each
/// footer once in a runtime; what a cache of blocks does shows among its metrics.
pub(super) fn source_for(
    source: ParquetSource,
    io: &FileIo,
    runtime: &RuntimeEnv,
) -> ParquetSource {
    if !io.is_remote() {
        return source;
    }
    let hint = source.table_parquet_options().global.metadata_size_hint;
    let store: Arc<dyn ObjectStore> = match io.cached_store() {
        Some(cached) => Arc::new(cached.observed(Arc::new(CacheMetrics::of(source.metrics())))),
        None => io.object_store().clone(),
    };
    let footers = runtime.cache_manager.get_file_metadata_cache();
    let readers = CachedParquetFileReaderFactory::new(store, footers);
    source
        .with_metadata_size_hint(hint.unwrap_or(FOOTER_BYTES))
        .with_parquet_file_reader_factory(Arc::new(WholeFooters(readers)))
}

/// Readers that take the page index from the bytes that bring the footer, which begins right behind it. The source would
/// ask for it later on, with a request of its own.
#[derive(Debug)]
struct WholeFooters(CachedParquetFileReaderFactory);

struct WholeFooterReader(Box<dyn AsyncFileReader + Send>);

impl ParquetFileReaderFactory for WholeFooters {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        footer_bytes: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let Self(inner) = self;
        let reader = inner.create_reader(partition, file, footer_bytes, metrics)?;
        Ok(Box::new(WholeFooterReader(reader)))
    }
}

impl AsyncFileReader for WholeFooterReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.0.get_bytes(range)
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        self.0.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        let options = options.cloned().unwrap_or_default();
        let options = options.with_page_index_policy(PageIndexPolicy::Optional);
        async move { self.0.get_metadata(Some(&options)).await }.boxed()
    }
}

/// What a cache of blocks did for one scan.
#[derive(Debug)]
struct CacheMetrics {
    hits: Count,
    hit_bytes: Count,
    misses: Count,
    fetched_bytes: Count,
    requests: Count,
}

impl CacheMetrics {
    fn of(metrics: &ExecutionPlanMetricsSet) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(metrics).global_counter(name);
        Self {
            hits: counter("cache_hits"),
            hit_bytes: counter("cache_hit_bytes"),
            misses: counter("cache_misses"),
            fetched_bytes: counter("cache_fetched_bytes"),
            requests: counter("cache_requests"),
        }
    }
}

impl CacheObserver for CacheMetrics {
    fn record(&self, usage: &CacheUsage) {
        for (count, more) in [
            (&self.hits, usage.hits),
            (&self.hit_bytes, usage.hit_bytes),
            (&self.misses, usage.misses),
            (&self.fetched_bytes, usage.fetched_bytes),
            (&self.requests, usage.requests),
        ] {
            count.add(usize::try_from(more).unwrap_or(usize::MAX));
        }
    }
}
