//! What options, environment and configuration files say.

use std::collections::BTreeMap;
use std::path::Path;

use hdfs_native::WriteOptions;
use paimon_core::options::{parse_bytes, parse_i64};
use paimon_core::{Error, Result};

use crate::client::{Patience, PatienceKeys};
use crate::environment::Environment;
use crate::keys::Keys;

/// Options under this prefix are Hadoop's, and win over its files.
const PREFIX: &str = "hadoop.";
const DEFAULT_FS: &str = "fs.defaultFS";
const CONFIG_FOLDER: &str = "hadoop-conf-dir";
const PRINCIPAL: &str = "security.kerberos.login.principal";
const KEYTAB: &str = "security.kerberos.login.keytab";
const FILES: [&str; 2] = ["core-site.xml", "hdfs-site.xml"];
const UMASK: u32 = 0o022;

const PATIENCE: PatienceKeys = PatienceKeys {
    connect_timeout: "ipc.client.connect.timeout",
    request_timeout: &["ipc.client.rpc-timeout.ms"],
    tries: "dfs.client.retry.max.attempts",
    retries: "ipc.client.connect.max.retries",
};

pub(super) struct Settings {
    pub(super) config: BTreeMap<String, String>,
    /// With the two files of Hadoop.
    pub(super) config_folder: Option<String>,
    pub(super) principal: Option<String>,
    pub(super) keytab: Option<String>,
    pub(super) patience: Patience,
    /// How files are made.
    pub(super) creation: WriteOptions,
    /// Permissions of new folders.
    pub(super) folder_mode: u32,
}

impl Settings {
    pub(super) fn read(
        options: &BTreeMap<String, String>,
        environment: &Environment,
    ) -> Result<Self> {
        let given = |key: &str| {
            let value = options.get(key).map(|v| v.trim());
            value.filter(|v| !v.is_empty()).map(str::to_string)
        };
        let config = config(options);
        let (principal, keytab) = (given(PRINCIPAL), given(KEYTAB));
        if principal.is_some() != keytab.is_some() {
            return Err(Error::invalid(format!(
                "options {PRINCIPAL} and {KEYTAB} belong together: give both, or none to use the ticket cache"
            ))
            .with("option", if keytab.is_some() { PRINCIPAL } else { KEYTAB }));
        }
        let umask = umask(&config)?;
        Ok(Self {
            config_folder: config_folder(given(CONFIG_FOLDER), environment)?,
            principal,
            keytab,
            patience: patience(options)?,
            creation: creation(&config, umask)?,
            folder_mode: 0o777 & !umask,
            config,
        })
    }
}

fn patience(options: &BTreeMap<String, String>) -> Result<Patience> {
    let patience = Patience::take(&mut Keys::read(options, &[PREFIX], &[])?, &PATIENCE)?;
    if patience.connect_timeout != Patience::default().connect_timeout {
        tracing::warn!(
            option = PATIENCE.connect_timeout,
            "the client of HDFS has no limit of its own for connecting: that of requests holds"
        );
    }
    Ok(patience)
}

/// Keys of Hadoop: those of options `hadoop.KEY`, and `fs.defaultFS` as it is.
fn config(options: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut config = BTreeMap::new();
    for (key, value) in options {
        let value = value.trim();
        if key == DEFAULT_FS {
            config.insert(key.clone(), value.to_string());
        }
        if let Some(name) = key.strip_prefix(PREFIX) {
            config.insert(name.to_string(), value.to_string());
            // keys such as hadoop.security.authentication begin like the prefix
            config.insert(key.clone(), value.to_string());
        }
    }
    config
}

/// The folder of the configuration files: of the option, else of the environment. A given one must hold a file.
fn config_folder(given: Option<String>, environment: &Environment) -> Result<Option<String>> {
    let holds = |folder: &str| FILES.iter().any(|f| Path::new(folder).join(f).is_file());
    if let Some(folder) = given {
        let folder = folder.strip_prefix("file:").unwrap_or(&folder).to_string();
        if !holds(&folder) {
            return Err(Error::invalid(format!(
                "expected one of {} in the folder, found none",
                FILES.join(", ")
            ))
            .with("option", CONFIG_FOLDER)
            .with("path", folder));
        }
        return Ok(Some(folder));
    }
    let home = environment.get("HADOOP_HOME");
    let below = |path: &str| home.map(|home| format!("{home}/{path}"));
    let named = environment.get("HADOOP_CONF_DIR").map(str::to_string);
    let mut folders = [named, below("conf"), below("etc/hadoop")]
        .into_iter()
        .flatten();
    Ok(folders.find(|folder| holds(folder)))
}

fn umask(config: &BTreeMap<String, String>) -> Result<u32> {
    const KEY: &str = "fs.permissions.umask-mode";
    let Some(text) = config.get(KEY) else {
        return Ok(UMASK);
    };
    let mask = u32::from_str_radix(text, 8).ok();
    mask.filter(|mask| *mask <= 0o777).ok_or_else(|| {
        Error::invalid(format!(
            "octal permissions such as 022 are expected, found {text:?}"
        ))
        .with("option", format!("{PREFIX}{KEY}"))
    })
}

/// Replication and block size of new files are the server's where no option says them.
fn creation(config: &BTreeMap<String, String>, umask: u32) -> Result<WriteOptions> {
    let mut creation = WriteOptions::default().permission(0o666 & !umask);
    let named = |key: &str, e: Error| e.with("option", format!("{PREFIX}{key}"));
    if let Some(text) = config.get("dfs.blocksize") {
        let bytes = parse_bytes(text).map_err(|e| named("dfs.blocksize", e))?;
        creation = creation.block_size(bytes);
    }
    if let Some(text) = config.get("dfs.replication") {
        let wrong = |_| Error::invalid(format!("a number of copies is expected, found {text:?}"));
        let copies = parse_i64(text).and_then(|n| u32::try_from(n).map_err(wrong));
        creation = creation.replication(copies.map_err(|e| named("dfs.replication", e))?);
    }
    Ok(creation)
}
