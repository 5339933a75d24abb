//! HDFS.
//!
//! Java: `org.apache.paimon.fs.hadoop.HadoopFileIO`, with the configuration of `org.apache.paimon.utils.HadoopUtils`.

mod calls;
mod folders;
mod reading;
mod settings;
mod staging;
mod store;
mod upload;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use hdfs_native::{Client, ClientBuilder, HdfsError};
use paimon_core::io::{CommitPrimitive, OpenedStore, StoreFactory};
use paimon_core::{Error, ErrorKind, Result};
use tokio::runtime::Runtime;

use crate::environment::Environment;
use calls::Calls;
use folders::HdfsFolders;
use settings::Settings;
use store::HdfsStore;

/// Port of a name node where an address has none.
const NAME_NODE_PORT: u16 = 8020;

/// Connections of all clients live here: they must not end with the runtime of whoever opened the store.
static CONNECTIONS: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("hdfs")
        .enable_all()
        .build()
});

/// Opens `hdfs://host:port` and `hdfs://nameservice`.
#[derive(Debug, Clone)]
pub struct HdfsFactory {
    environment: Environment,
}

impl HdfsFactory {
    /// Takes the folder of Hadoop's configuration files from `environment` (`HADOOP_CONF_DIR`, `HADOOP_HOME`) where the
    /// options do not say it. The user's name (`HADOOP_USER_NAME`) is the one of the process.
    pub fn new(environment: Environment) -> Self {
        Self { environment }
    }
}

impl StoreFactory for HdfsFactory {
    fn schemes(&self) -> &[&'static str] {
        &["hdfs", "viewfs"]
    }

    fn open(&self, prefix: &str, options: &BTreeMap<String, String>) -> Result<OpenedStore> {
        let authority = authority(prefix)?;
        let settings = Settings::read(options, &self.environment)?;
        let client = client(authority, &settings)?;
        let calls = Calls::new(client, settings.patience);
        let store = HdfsStore::new(calls.clone(), settings.creation);
        Ok(OpenedStore {
            store: Arc::new(store),
            commit: CommitPrimitive::ConditionalPut,
            // Java renames too, and its rename spares a file that is there
            replaced_by_others: false,
            folders: Some(Arc::new(HdfsFolders::new(calls, settings.folder_mode))),
        })
    }
}

/// What stands behind `hdfs://`; empty means the default file system of the configuration.
fn authority(prefix: &str) -> Result<&str> {
    let (scheme, authority) = prefix.split_once("://").unwrap_or((prefix, ""));
    if scheme == "viewfs" {
        return Err(Error::unsupported(
            "mount tables are not supported: name the file system behind the mount, as in hdfs://nameservice/path",
        ));
    }
    if authority.contains('@') {
        return Err(Error::invalid(
            "a location of the form hdfs://host:port/path is expected; the user is no part of it",
        ));
    }
    Ok(authority)
}

fn client(authority: &str, settings: &Settings) -> Result<Client> {
    match build(authority, settings) {
        // no such name service: then it is a host
        Err(HdfsError::InvalidArgument(_)) if !authority.is_empty() && !authority.contains(':') => {
            build(&format!("{authority}:{NAME_NODE_PORT}"), settings)
        }
        built => built,
    }
    .map_err(|error| {
        Error::new(
            ErrorKind::InvalidInput,
            "options and configuration files describe no usable HDFS client",
        )
        .with_source(error)
    })
}

fn build(authority: &str, settings: &Settings) -> hdfs_native::Result<Client> {
    let runtime = CONNECTIONS
        .as_ref()
        .map_err(|e| HdfsError::OperationFailed(format!("no threads for connections: {e}")))?;
    let mut builder = ClientBuilder::new()
        .with_config(settings.config.clone())
        .with_io_runtime(runtime.handle().clone());
    if let Some(folder) = &settings.config_folder {
        builder = builder.with_config_dir(folder);
    }
    if let Some(principal) = &settings.principal {
        builder = builder.with_kerberos_principal(principal);
    }
    if let Some(keytab) = &settings.keytab {
        builder = builder.with_kerberos_keytab(keytab);
    }
    if !authority.is_empty() {
        builder = builder.with_url(format!("hdfs://{authority}"));
    }
    builder.build()
}

#[cfg(test)]
mod tests;
