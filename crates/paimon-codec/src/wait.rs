//! Opening tables where DataFusion's interface is not async.

use std::future::Future;

use paimon_core::{Error, Result};
use tokio::runtime::{Builder, Handle, RuntimeFlavor};

/// Runs some I/O to its end on a thread of its own. The caller waits, so that no task of a single-threaded runtime is
/// waited for there: those runtimes get a helper.
///
/// # Errors
/// Those of the work.
pub(crate) fn wait<T: Send>(work: impl Future<Output = Result<T>> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let handle = Handle::try_current();
        let worker = scope.spawn(move || match handle {
            Ok(handle) if handle.runtime_flavor() != RuntimeFlavor::CurrentThread => {
                handle.block_on(work)
            }
            _ => match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime.block_on(work),
                Err(error) => Err(Error::internal("no runtime").with_source(error)),
            },
        });
        worker
            .join()
            .unwrap_or_else(|_| Err(Error::internal("the thread that opens a table failed")))
    })
}
