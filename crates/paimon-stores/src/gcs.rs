//! Google Cloud Storage.
//!
//! Java: `org.apache.paimon.gs.GSFileIO`, which passes options on to Google's connector for Hadoop.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use paimon_core::io::{CommitPrimitive, OpenedStore, StoreFactory};
use paimon_core::{Error, Result};

use crate::client::{Patience, PatienceKeys, is_http, unusable};
use crate::environment::Environment;
use crate::keys::Keys;
use crate::quiet::Quiet;

const PREFIXES: [&str; 2] = ["fs.gs.", "gs."];

/// Options that change who reads and writes, or what is stored.
const REFUSED: [&str; 4] = ["auth.", "encryption", "requester.pays", "proxy."];

const PATIENCE: PatienceKeys = PatienceKeys {
    connect_timeout: "http.connect-timeout",
    request_timeout: &["http.read-timeout"],
    tries: "http.max.tries",
    retries: "http.max.retry",
};

/// Opens `gs://bucket`.
#[derive(Debug, Clone)]
pub struct GcsFactory {
    environment: Environment,
}

impl GcsFactory {
    /// Takes what the options do not say from `environment` (`GOOGLE_APPLICATION_CREDENTIALS`, ..).
    pub fn new(environment: Environment) -> Self {
        Self { environment }
    }
}

impl StoreFactory for GcsFactory {
    fn schemes(&self) -> &[&'static str] {
        &["gs"]
    }

    fn open(&self, prefix: &str, options: &BTreeMap<String, String>) -> Result<OpenedStore> {
        let bucket = prefix
            .split_once("://")
            .map_or("", |(_, authority)| authority);
        if bucket.is_empty() || bucket.contains([':', '@']) {
            return Err(Error::invalid(
                "a location of the form gs://bucket/path is expected",
            ));
        }
        let mut keys = Keys::read(options, &PREFIXES, &[])?;
        let patience = Patience::take(&mut keys, &PATIENCE)?;
        let access = Access::take(&mut keys)?;
        // the project matters to the creation of buckets alone
        let _ = keys.take("project.id");
        let root = keys.take("storage.root.url");
        keys.finish(&REFUSED)?;
        let of_environment = self.environment.get("GOOGLE_BASE_URL");
        let root = root.or_else(|| of_environment.map(str::to_string));
        let proven = root.is_none();
        let builder = self
            .builder(access, root, &patience)
            .with_bucket_name(bucket);
        let client = |retries| {
            let builder = builder.clone().with_retry(retries);
            builder.build().map_err(|e| unusable("GCS", &e))
        };
        let (client, once) = (client(patience.retries())?, client(patience.once())?);
        Ok(OpenedStore {
            store: Arc::new(Quiet::new(client, once, patience, "GCS", Vec::new())),
            commit: match proven {
                true => CommitPrimitive::ConditionalPut,
                false => CommitPrimitive::UnprovenPut,
            },
            replaced_by_others: true,
            folders: None,
        })
    }
}

impl GcsFactory {
    fn builder(
        &self,
        access: Access,
        root: Option<String>,
        patience: &Patience,
    ) -> GoogleCloudStorageBuilder {
        let allow_http = root.as_deref().is_some_and(is_http);
        let mut builder = GoogleCloudStorageBuilder::new();
        builder = match access {
            Access::KeyFile(path) => builder.with_service_account_path(path),
            Access::Anonymous => builder.with_skip_signature(true),
            Access::Environment => self.of_environment(builder),
        };
        if let Some(root) = root {
            builder = builder.with_base_url(root.trim_end_matches('/'));
        }
        builder.with_client_options(patience.client(allow_http))
    }

    fn of_environment(&self, mut builder: GoogleCloudStorageBuilder) -> GoogleCloudStorageBuilder {
        use GoogleConfigKey as K;
        for (name, value) in self.environment.starting_with("GOOGLE_") {
            if let Ok(
                key @ (K::ServiceAccount
                | K::ServiceAccountKey
                | K::ApplicationCredentials
                | K::SkipSignature),
            ) = name.to_ascii_lowercase().parse::<K>()
            {
                builder = builder.with_config(key, value);
            }
        }
        builder
    }
}

/// How requests are signed.
#[derive(Debug, PartialEq, Eq)]
enum Access {
    KeyFile(String),
    Anonymous,
    /// Variables, the credentials of the `gcloud` program, or the instance's account.
    Environment,
}

impl Access {
    fn take(keys: &mut Keys) -> Result<Self> {
        const KEY_FILE: &str = "auth.service.account.json.keyfile";
        let file = keys.take(KEY_FILE);
        let kind = keys.take("auth.type");
        match (kind.as_deref(), file) {
            (None | Some("SERVICE_ACCOUNT_JSON_KEYFILE"), Some(file)) => Ok(Self::KeyFile(file)),
            (Some("SERVICE_ACCOUNT_JSON_KEYFILE"), None) => Err(Error::invalid(
                "the key file of the service account is missing",
            )
            .with("option", format!("fs.gs.{KEY_FILE}"))),
            (Some("UNAUTHENTICATED"), None) => Ok(Self::Anonymous),
            (None | Some("APPLICATION_DEFAULT" | "COMPUTE_ENGINE"), None) => Ok(Self::Environment),
            (Some("UNAUTHENTICATED" | "APPLICATION_DEFAULT" | "COMPUTE_ENGINE"), Some(_)) => Err(
                Error::invalid("a key file is given, which fs.gs.auth.type says not to use")
                    .with("option", format!("fs.gs.{KEY_FILE}")),
            ),
            (Some(other), _) => Err(Error::unsupported(format!(
                "authentication {other:?} is not supported: expected SERVICE_ACCOUNT_JSON_KEYFILE, \
                 APPLICATION_DEFAULT, COMPUTE_ENGINE or UNAUTHENTICATED"
            ))
            .with("option", "fs.gs.auth.type")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use paimon_core::ErrorKind;

    use super::*;

    fn open(pairs: &[(&str, &str)]) -> Result<OpenedStore> {
        let own = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        GcsFactory::new(Environment::default()).open("gs://bucket", &own.collect())
    }

    #[test]
    fn access_follows_the_type() {
        let root = ("gs.storage.root.url", "http://127.0.0.1:4444");
        let opened = open(&[("fs.gs.auth.type", "UNAUTHENTICATED"), root]).unwrap();
        assert_eq!(opened.commit, CommitPrimitive::UnprovenPut);
        for (pairs, kind) in [
            (
                vec![("fs.gs.auth.type", "SERVICE_ACCOUNT_JSON_KEYFILE")],
                ErrorKind::InvalidInput,
            ),
            (
                vec![("gs.auth.type", "USER_CREDENTIALS")],
                ErrorKind::Unsupported,
            ),
            (
                vec![("gs.auth.service.account.email", "x")],
                ErrorKind::Unsupported,
            ),
            (
                vec![
                    ("fs.gs.auth.type", "UNAUTHENTICATED"),
                    ("fs.gs.auth.service.account.json.keyfile", "/x"),
                ],
                ErrorKind::InvalidInput,
            ),
        ] {
            assert_eq!(open(&pairs).unwrap_err().kind(), kind, "{pairs:?}");
        }
        let error = open(&[("gs.auth.service.account.json.keyfile", "/no/such/file")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn locations_hold_no_credentials() {
        let factory = GcsFactory::new(Environment::default());
        for prefix in ["gs://", "gs://user:secret@bucket"] {
            let error = factory.open(prefix, &BTreeMap::new()).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
