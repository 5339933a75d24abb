//! Opening tables where DataFusion's interface is not async.

use std::future::Future;

use paimon_core::{Error, Result};
use tokio::runtime::{Builder, Handle, RuntimeFlavor};
use tokio::task::block_in_place;

/// Runs some I/O to its end. A runtime with several threads goes on meanwhile; where there is none, or one thread that
/// must not be waited on, the I/O gets a thread and a runtime of its own.
///
/// # Errors
/// Those of the work.
pub(crate) fn wait<T: Send>(work: impl Future<Output = Result<T>> + Send) -> Result<T> {
    match Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() != RuntimeFlavor::CurrentThread => {
            block_in_place(|| handle.block_on(work))
        }
        _ => wait_elsewhere(work),
    }
}

fn wait_elsewhere<T: Send>(work: impl Future<Output = Result<T>> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|e| Error::internal("no runtime").with_source(e))?;
            runtime.block_on(work)
        });
        worker
            .join()
            .unwrap_or_else(|_| Err(Error::internal("the thread that opens a table failed")))
    })
}
