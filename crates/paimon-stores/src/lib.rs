//! Stores for Paimon's warehouses beyond local paths: S3 and servers that speak it, Azure, Google Cloud Storage, HDFS,
//! Alibaba Cloud's OSS.
//!
//! Each kind is a [`StoreFactory`] behind a feature of this crate. It reads Paimon's own option keys, with the names that
//! Java's file systems accept, and, where these say nothing, the environment variables of the provider. Options win.
//!
//! ```no_run
//! use std::collections::BTreeMap;
//!
//! let options = BTreeMap::from([
//!     ("s3.endpoint".to_string(), "http://127.0.0.1:9000".to_string()),
//!     ("s3.access-key".to_string(), "paimon".to_string()),
//!     ("s3.secret-key".to_string(), "paimon-secret".to_string()),
//! ]);
//! let io = paimon_stores::all().file_io("s3://bucket/warehouse", &options)?;
//! # Ok::<(), paimon_core::Error>(())
//! ```

mod client;
mod environment;
mod keys;
mod quiet;

#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "cache")]
mod disk_cache;
#[cfg(feature = "gcs")]
mod gcs;
#[cfg(feature = "hdfs")]
mod hdfs;
#[cfg(feature = "oss")]
mod oss;
#[cfg(feature = "s3")]
mod s3;

use std::sync::Arc;

use paimon_core::io::{StoreFactory, Stores};

#[cfg(feature = "azure")]
pub use azure::AzureFactory;
#[cfg(feature = "cache")]
pub use disk_cache::DiskCache;
pub use environment::Environment;
#[cfg(feature = "gcs")]
pub use gcs::GcsFactory;
#[cfg(feature = "hdfs")]
pub use hdfs::HdfsFactory;
#[cfg(feature = "oss")]
pub use oss::OssFactory;
#[cfg(feature = "s3")]
pub use s3::S3Factory;

/// Schemes of the features that this build was made without, with the feature.
const ABSENT: &[(&str, &str)] = &[
    #[cfg(not(feature = "hdfs"))]
    ("hdfs", "hdfs"),
    #[cfg(not(feature = "hdfs"))]
    ("viewfs", "hdfs"),
    #[cfg(not(feature = "oss"))]
    ("oss", "oss"),
];

/// Every store that this build has, with the variables of the process.
pub fn all() -> Stores {
    let known = factories(&Environment::of_process())
        .into_iter()
        .fold(Stores::new(), Stores::with);
    #[cfg(feature = "cache")]
    let known = known.with_disk_cache(Arc::new(DiskCache));
    ABSENT.iter().fold(known, |stores, (scheme, feature)| {
        stores.without(scheme, feature)
    })
}

/// Waits until blocks that caches keep on local disk are written, and closes these caches. For the end of a program: blocks are
/// written in the background, and those that wait would be lost to the next process. What is read afterwards is not kept.
pub async fn close_caches() {
    #[cfg(feature = "cache")]
    disk_cache::close_all().await;
}

/// Every factory that this build has, over an environment.
pub fn factories(environment: &Environment) -> Vec<Arc<dyn StoreFactory>> {
    vec![
        #[cfg(feature = "s3")]
        Arc::new(S3Factory::new(environment.clone())),
        #[cfg(feature = "azure")]
        Arc::new(AzureFactory::new(environment.clone())),
        #[cfg(feature = "gcs")]
        Arc::new(GcsFactory::new(environment.clone())),
        #[cfg(feature = "hdfs")]
        Arc::new(HdfsFactory::new(environment.clone())),
        #[cfg(feature = "oss")]
        Arc::new(OssFactory::new(environment.clone())),
    ]
}
