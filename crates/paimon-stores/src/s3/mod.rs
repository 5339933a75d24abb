//! S3, and servers that speak it.
//!
//! Java: `org.apache.paimon.s3.S3FileIO`, which passes options on to Hadoop's `S3AFileSystem`.

mod address;
mod credentials;
mod encryption;

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use paimon_core::io::{CommitPrimitive, OpenedStore, StoreFactory};
use paimon_core::{Error, Result};

use address::{endpoint, has_no_subdomains, is_amazon, proxy, with_bucket};
use credentials::{Credentials, credentials};
use encryption::{Encryption, encrypted, encryption};

use crate::client::{Patience, PatienceKeys, is_http, unusable};
use crate::environment::Environment;
use crate::keys::{Keys, Scope};
use crate::quiet::Quiet;

const PREFIXES: [&str; 3] = ["s3.", "s3a.", "fs.s3a."];

const ALIASES: [(&str, &str); 7] = [
    ("access-key", "access.key"),
    ("secret-key", "secret.key"),
    ("session-token", "session.token"),
    ("path-style-access", "path.style.access"),
    ("region", "endpoint.region"),
    ("server-side-encryption-algorithm", "encryption.algorithm"),
    ("server-side-encryption.key", "encryption.key"),
];

/// Options that change who reads and writes, or what is stored.
const REFUSED: [&str; 8] = [
    "assumed.role",
    "custom.signers",
    "signing-algorithm",
    "signer-type",
    "encryption",
    "server-side-encryption",
    "delegation",
    "accesspoint",
];

const PATIENCE: PatienceKeys = PatienceKeys {
    connect_timeout: "connection.establish.timeout",
    request_timeout: &["connection.request.timeout", "connection.timeout"],
    tries: "attempts.maximum",
    retries: "retry.limit",
};

/// Opens `s3://bucket` and `s3a://bucket`.
#[derive(Debug, Clone)]
pub struct S3Factory {
    environment: Environment,
}

impl S3Factory {
    /// Takes what the options do not say from `environment` (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, ..).
    pub fn new(environment: Environment) -> Self {
        Self { environment }
    }
}

impl StoreFactory for S3Factory {
    fn schemes(&self) -> &[&'static str] {
        &["s3", "s3a"]
    }

    fn open(&self, prefix: &str, options: &BTreeMap<String, String>) -> Result<OpenedStore> {
        let settings = Settings::read(prefix, options, &self.environment)?;
        let proven = settings.endpoint.as_deref().is_none_or(is_amazon);
        let secrets = settings.secrets(&self.environment);
        let patience = settings.patience.clone();
        let builder = settings.builder(&self.environment)?;
        let client = |retries| {
            let builder = builder.clone().with_retry(retries);
            builder.build().map_err(|e| unusable("S3", &e))
        };
        let (client, once) = (client(patience.retries())?, client(patience.once())?);
        Ok(OpenedStore {
            store: Arc::new(Quiet::new(client, once, patience, "S3", secrets)),
            commit: match proven {
                true => CommitPrimitive::ConditionalPut,
                false => CommitPrimitive::UnprovenPut,
            },
            replaced_by_others: true,
            folders: None,
        })
    }
}

/// What the options and the environment say.
struct Settings {
    bucket: String,
    /// With its scheme, without the bucket.
    endpoint: Option<String>,
    path_style: bool,
    region: Option<String>,
    credentials: Credentials,
    encryption: Option<Encryption>,
    requester_pays: bool,
    proxy: Option<String>,
    patience: Patience,
}

impl Settings {
    fn read(
        prefix: &str,
        options: &BTreeMap<String, String>,
        environment: &Environment,
    ) -> Result<Self> {
        let bucket = bucket(prefix)?;
        let mut keys = Keys::read(options, &PREFIXES, &ALIASES)?;
        keys.narrow(|name| match name.strip_prefix("bucket.") {
            None => Scope::All,
            Some(rest) => match rest.strip_prefix(&bucket).and_then(|r| r.strip_prefix('.')) {
                Some(own) => Scope::Own(own),
                None => Scope::Other,
            },
        })?;
        let credentials = credentials(&mut keys)?;
        let endpoint = endpoint(&mut keys, environment)?;
        let path_style = keys.take_bool("path.style.access")?;
        let path_style =
            path_style.unwrap_or_else(|| endpoint.as_deref().is_some_and(has_no_subdomains));
        let settings = Self {
            path_style,
            endpoint,
            credentials,
            region: keys.take("endpoint.region"),
            encryption: encryption(&mut keys)?,
            requester_pays: keys.take_bool("requester.pays.enabled")?.unwrap_or(false),
            proxy: proxy(&mut keys)?,
            patience: Patience::take(&mut keys, &PATIENCE)?,
            bucket,
        };
        keys.finish(&REFUSED)?;
        settings.check_credentials(environment)?;
        Ok(settings)
    }

    /// Without credentials the client would ask the instance's metadata service, which only machines of Amazon have.
    fn check_credentials(&self, environment: &Environment) -> Result<()> {
        let found = [
            "AWS_ACCESS_KEY_ID",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_SKIP_SIGNATURE",
        ]
        .into_iter()
        .chain([
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ])
        .any(|name| environment.get(name).is_some());
        let needed = matches!(self.credentials, Credentials::Environment);
        if needed && !found && self.endpoint.as_deref().is_some_and(|e| !is_amazon(e)) {
            return Err(Error::invalid(
                "credentials are missing: set options s3.access-key and s3.secret-key or the variables \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )
            .with("option", "s3.access-key"));
        }
        Ok(())
    }

    fn secrets(&self, environment: &Environment) -> Vec<String> {
        let variables = [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
        ];
        let known = variables.iter().filter_map(|name| environment.get(name));
        let mut secrets: Vec<String> = known.map(str::to_string).collect();
        if let Credentials::Given { id, secret, token } = &self.credentials {
            secrets.extend([id.clone(), secret.clone()]);
            secrets.extend(token.clone());
        }
        if let Some(Encryption::Customer(key)) = &self.encryption {
            secrets.push(key.clone());
        }
        secrets
    }

    fn builder(self, environment: &Environment) -> Result<AmazonS3Builder> {
        let allow_http = self.endpoint.as_deref().is_some_and(is_http);
        let mut builder = AmazonS3Builder::new();
        for (name, value) in environment.starting_with("AWS_") {
            if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>()
                && self.takes(key)
            {
                builder = builder.with_config(key, value);
            }
        }
        builder = builder
            .with_client_options(self.patience.client(allow_http))
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_bucket_name(&self.bucket)
            .with_virtual_hosted_style_request(!self.path_style)
            .with_request_payer(self.requester_pays);
        if let Some(endpoint) = &self.endpoint {
            let endpoint = match self.path_style {
                true => endpoint.clone(),
                false => with_bucket(endpoint, &self.bucket)?,
            };
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = self.region {
            builder = builder.with_region(region);
        }
        if let Some(proxy) = self.proxy {
            builder = builder.with_proxy_url(proxy);
        }
        builder = match self.credentials {
            Credentials::Given { id, secret, token } => {
                let builder = builder
                    .with_access_key_id(id)
                    .with_secret_access_key(secret);
                token.into_iter().fold(builder, AmazonS3Builder::with_token)
            }
            Credentials::Anonymous => builder.with_skip_signature(true),
            Credentials::Environment => builder,
        };
        Ok(match self.encryption {
            Some(encryption) => encrypted(builder, encryption),
            None => builder,
        })
    }

    /// Whether a variable may set this: endpoint, address style and connection were read already, and credentials of
    /// different origin are never mixed.
    fn takes(&self, key: AmazonS3ConfigKey) -> bool {
        use AmazonS3ConfigKey as K;
        match key {
            K::AccessKeyId | K::SecretAccessKey | K::Token => {
                matches!(self.credentials, Credentials::Environment)
            }
            K::Endpoint
            | K::S3Endpoint
            | K::Bucket
            | K::VirtualHostedStyleRequest
            | K::ConditionalPut
            | K::CopyIfNotExists
            | K::Client(_) => false,
            _ => true,
        }
    }
}

fn bucket(prefix: &str) -> Result<String> {
    let bucket = prefix
        .split_once("://")
        .map_or("", |(_, authority)| authority);
    if bucket.is_empty() || bucket.contains([':', '@']) {
        return Err(Error::invalid(
            "a location of the form s3://bucket/path is expected; credentials are options, not part of it",
        ));
    }
    Ok(bucket.to_string())
}

#[cfg(test)]
mod tests;
