//! Alibaba Cloud's Object Storage Service.
//!
//! Java: `org.apache.paimon.oss.OSSFileIO`, which passes options on to Hadoop's `AliyunOSSFileSystem`. A snapshot is put
//! with `x-oss-forbid-overwrite`. A bucket with versions, switched on or suspended, ignores that: it is found out by
//! trying before the first write, and refused.

mod address;
mod named;
mod transport;

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store_opendal::OpendalStore;
use opendal::services::Oss;
use opendal::{HttpTransporter, OperationContext, Operator};
use paimon_core::io::{CommitPrimitive, OpenedStore, StoreFactory};
use paimon_core::{Error, Result};

use address::{Address, Style};
use named::Named;
use transport::Transport;

use crate::client::{Patience, PatienceKeys};
use crate::environment::Environment;
use crate::keys::Keys;
use crate::quiet::Quiet;

const PREFIXES: [&str; 1] = ["fs.oss."];

/// Java takes these in any case.
const ALIASES: [(&str, &str); 3] = [
    ("accesskeyid", ID),
    ("accesskeysecret", SECRET),
    ("securitytoken", TOKEN),
];

const ID: &str = "accessKeyId";
const SECRET: &str = "accessKeySecret";
const TOKEN: &str = "securityToken";

/// Options that change who reads and writes, how, or what is stored.
const REFUSED: [&str; 6] = [
    "assumed.role",
    "credentials.provider",
    "proxy.",
    "server-side-",
    "signatureversion",
    "user.define.",
];

const PATIENCE: PatienceKeys = PatienceKeys {
    connect_timeout: "connection.establish.timeout",
    request_timeout: &["connection.timeout"],
    tries: "tries.maximum",
    retries: "attempts.maximum",
};

/// Opens `oss://bucket`.
#[derive(Debug, Clone)]
pub struct OssFactory {
    environment: Environment,
}

impl OssFactory {
    /// Takes credentials that the options do not say from `environment` (`ALIBABA_CLOUD_ACCESS_KEY_ID`, ..).
    pub fn new(environment: Environment) -> Self {
        Self { environment }
    }
}

impl StoreFactory for OssFactory {
    fn schemes(&self) -> &[&'static str] {
        &["oss"]
    }

    fn open(&self, prefix: &str, options: &BTreeMap<String, String>) -> Result<OpenedStore> {
        let bucket = bucket(prefix)?;
        let mut keys = Keys::read(options, &PREFIXES, &ALIASES)?;
        let patience = Patience::take(&mut keys, &PATIENCE)?;
        let credentials = Credentials::take(&mut keys, &self.environment)?;
        let address = Address::take(&mut keys)?;
        let encryption = Encryption::take(&mut keys)?;
        keys.finish(&REFUSED)?;
        let builder = || {
            let builder = encryption.apply(credentials.apply(address.apply(Oss::default())));
            builder.bucket(&bucket)
        };
        let client = |retries| {
            let transport = Transport::new(&patience, retries)?;
            let transport = HttpTransporter::new(transport);
            let context = OperationContext::new().with_http_transport(transport);
            let operator = Operator::new(builder()).map_err(|e| unusable(&e))?;
            let store = OpendalStore::new(operator.with_context(context));
            Ok::<_, Error>(Named::new(store))
        };
        let (client, once) = (client(true)?, client(false)?);
        let secrets = credentials.secrets();
        Ok(OpenedStore {
            store: Arc::new(Quiet::new(client, once, patience, "OSS", secrets)),
            commit: CommitPrimitive::UnprovenPut,
            replaced_by_others: true,
            folders: None,
        })
    }
}

fn unusable(error: &opendal::Error) -> Error {
    // its context may quote values
    Error::invalid(format!(
        "the options describe no usable OSS client: {}",
        error.message()
    ))
}

fn bucket(prefix: &str) -> Result<String> {
    let (_, bucket) = prefix.split_once("://").unwrap_or_default();
    if bucket.is_empty() || bucket.contains([':', '@', '.']) {
        return Err(Error::invalid(
            "a location of the form oss://bucket/path is expected; endpoint and credentials are options, not part of it",
        ));
    }
    Ok(bucket.to_string())
}

/// How requests are signed.
struct Credentials {
    id: String,
    secret: String,
    token: Option<String>,
}

impl Credentials {
    /// Those of the options, else those of the environment; they are never mixed.
    fn take(keys: &mut Keys, environment: &Environment) -> Result<Self> {
        let given = (keys.take(ID), keys.take(SECRET), keys.take(TOKEN));
        let variable = |name: &str| environment.get(name).map(str::to_string);
        let found = match given {
            (None, None, None) => (
                variable("ALIBABA_CLOUD_ACCESS_KEY_ID"),
                variable("ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
                variable("ALIBABA_CLOUD_SECURITY_TOKEN"),
            ),
            given => given,
        };
        match found {
            (Some(id), Some(secret), token) => Ok(Self { id, secret, token }),
            (Some(_), None, _) => Err(missing(SECRET)),
            (None, ..) => Err(missing(ID)),
        }
    }

    fn apply(&self, builder: Oss) -> Oss {
        builder
            .access_key_id(&self.id)
            .access_key_secret(&self.secret)
            .security_token(self.token.as_deref().unwrap_or_default())
    }

    fn secrets(self) -> Vec<String> {
        let mut secrets = vec![self.id, self.secret];
        secrets.extend(self.token);
        secrets
    }
}

fn missing(name: &str) -> Error {
    Error::invalid(
        "credentials are missing: set options fs.oss.accessKeyId and fs.oss.accessKeySecret or the variables \
         ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    )
    .with("option", format!("fs.oss.{name}"))
}

/// Encryption by the service.
struct Encryption {
    method: Option<String>,
    key_id: Option<String>,
}

impl Encryption {
    fn take(keys: &mut Keys) -> Result<Self> {
        const METHOD: &str = "server-side-encryption";
        let method = keys.take(METHOD);
        // Hadoop's own name, for where Paimon's is not given
        let hadoop = keys.take("server-side-encryption-algorithm");
        let method = method.or(hadoop);
        let key_id = keys.take("server-side-encryption-key-id");
        match method.as_deref() {
            None | Some("AES256" | "KMS" | "SM4") => {}
            Some(other) => {
                return Err(Error::unsupported(format!(
                    "encryption {other:?} is not supported: expected AES256, KMS or SM4"
                ))
                .with("option", format!("fs.oss.{METHOD}")));
            }
        }
        if key_id.is_some() && method.as_deref() != Some("KMS") {
            return Err(
                Error::invalid("a key of KMS is given, and the encryption is not KMS")
                    .with("option", "fs.oss.server-side-encryption-key-id"),
            );
        }
        Ok(Self { method, key_id })
    }

    fn apply(&self, builder: Oss) -> Oss {
        builder
            .server_side_encryption(self.method.as_deref().unwrap_or_default())
            .server_side_encryption_key_id(self.key_id.as_deref().unwrap_or_default())
    }
}

impl Address {
    fn apply(&self, builder: Oss) -> Oss {
        let style = match self.style {
            Style::Path => "path",
            Style::Virtual => "virtual",
            Style::Own => "cname",
        };
        builder.endpoint(&self.endpoint).addressing_style(style)
    }
}

#[cfg(test)]
mod tests;
