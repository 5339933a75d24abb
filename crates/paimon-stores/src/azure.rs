//! Azure Blob Storage and Data Lake Storage.
//!
//! Java: `org.apache.paimon.azure.AzureFileIO`, which passes options on to Hadoop's `AzureBlobFileSystem`.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use paimon_core::io::{CommitPrimitive, OpenedStore, StoreFactory};
use paimon_core::{Error, Result};

use crate::client::{Patience, PatienceKeys, is_http, unusable};
use crate::environment::Environment;
use crate::keys::{Keys, Scope};
use crate::quiet::Quiet;

const PREFIXES: [&str; 3] = ["fs.azure.", "azure.", "fs.wasb."];

/// Options that change who reads and writes, or what is stored.
const REFUSED: [&str; 5] = [
    "account.",
    "sas.",
    "encryption",
    "client-provided",
    "identity",
];

const PATIENCE: PatienceKeys = PatienceKeys {
    connect_timeout: "http.connection.timeout",
    request_timeout: &["http.read.timeout"],
    tries: "io.max.tries",
    retries: "io.retry.max.retries",
};

/// Opens `abfs[s]://container@account.dfs.core.windows.net` and `wasb[s]://container@account.blob.core.windows.net`.
#[derive(Debug, Clone)]
pub struct AzureFactory {
    environment: Environment,
}

impl AzureFactory {
    /// Takes what the options do not say from `environment` (`AZURE_STORAGE_ACCOUNT_KEY`, ..).
    pub fn new(environment: Environment) -> Self {
        Self { environment }
    }
}

impl StoreFactory for AzureFactory {
    fn schemes(&self) -> &[&'static str] {
        &["abfs", "abfss", "wasb", "wasbs"]
    }

    fn open(&self, prefix: &str, options: &BTreeMap<String, String>) -> Result<OpenedStore> {
        let place = Place::parse(prefix)?;
        let mut keys = Keys::read(options, &PREFIXES, &[])?;
        keys.narrow(|name| place.scope(name))?;
        let patience = Patience::take(&mut keys, &PATIENCE)?;
        let access = Access::take(&mut keys)?;
        let endpoint = keys.take("endpoint");
        keys.finish(&REFUSED)?;
        let of_environment = self.environment.get("AZURE_STORAGE_ENDPOINT");
        let endpoint = endpoint
            .or_else(|| of_environment.map(str::to_string))
            .unwrap_or_else(|| place.endpoint());
        let secrets = secrets(&access, &self.environment);
        let builder = self
            .of_environment(&access)
            .with_client_options(patience.client(is_http(&endpoint)))
            .with_account(&place.account)
            .with_container_name(&place.container)
            .with_endpoint(endpoint);
        let builder = access.apply(builder);
        let client = |retries| {
            let builder = builder.clone().with_retry(retries);
            builder.build().map_err(|e| unusable("Azure", &e))
        };
        let (client, once) = (client(patience.retries())?, client(patience.once())?);
        Ok(OpenedStore {
            store: Arc::new(Quiet::new(client, once, patience, "Azure", secrets)),
            commit: CommitPrimitive::ConditionalPut,
            replaced_by_others: true,
            folders: None,
        })
    }
}

impl AzureFactory {
    /// Variables count for what the options leave open; credentials of different origin are never mixed.
    fn of_environment(&self, access: &Access) -> MicrosoftAzureBuilder {
        use AzureConfigKey as K;
        let mut builder = MicrosoftAzureBuilder::new();
        for (name, value) in self.environment.starting_with("AZURE_") {
            let Ok(key) = name.to_ascii_lowercase().parse::<K>() else {
                continue;
            };
            let taken = match key {
                K::AccountName | K::ContainerName | K::Endpoint | K::Client(_) => false,
                K::UseEmulator | K::AuthorityHost => true,
                _ => matches!(access, Access::Environment),
            };
            if taken {
                builder = builder.with_config(key, value);
            }
        }
        builder
    }
}

/// Container and account of a location.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    container: String,
    account: String,
    /// `core.windows.net`.
    domain: String,
}

impl Place {
    fn parse(prefix: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(
                "a location of the form abfss://container@account.dfs.core.windows.net/path is expected",
            )
        };
        let (_, authority) = prefix.split_once("://").ok_or_else(wrong)?;
        let (container, host) = authority.split_once('@').ok_or_else(wrong)?;
        let mut parts = host.splitn(3, '.');
        let (account, service, domain) = (parts.next(), parts.next(), parts.next());
        match (account, service, domain) {
            (Some(account), Some("dfs" | "blob"), Some(domain))
                if !account.is_empty() && !container.is_empty() && !container.contains(':') =>
            {
                Ok(Self {
                    container: container.trim_start_matches(',').to_string(),
                    account: account.to_string(),
                    domain: domain.to_string(),
                })
            }
            _ => Err(wrong()),
        }
    }

    fn endpoint(&self) -> String {
        format!("https://{}.blob.{}", self.account, self.domain)
    }

    /// Options may end with the host name of the account they are for.
    fn scope<'a>(&self, name: &'a str) -> Scope<'a> {
        for service in ["dfs", "blob"] {
            let suffix = format!(".{}.{service}.{}", self.account, self.domain);
            if let Some(own) = name.strip_suffix(&suffix) {
                let container = format!(".{}", self.container);
                return Scope::Own(own.strip_suffix(&container).unwrap_or(own));
            }
        }
        match name.contains(".dfs.") || name.contains(".blob.") {
            true => Scope::Other,
            false => Scope::All,
        }
    }
}

/// How requests are signed.
enum Access {
    Key(String),
    Sas(String),
    Client {
        id: String,
        secret: String,
        tenant: String,
        authority: String,
    },
    Managed {
        id: Option<String>,
        endpoint: Option<String>,
    },
    Workload {
        id: String,
        tenant: String,
        token_file: String,
    },
    Environment,
}

impl Access {
    fn take(keys: &mut Keys) -> Result<Self> {
        let kind = keys.take("account.auth.type");
        match kind.as_deref().unwrap_or("SharedKey") {
            "SharedKey" => {}
            "OAuth" => return Self::take_oauth(keys),
            "SAS" => {
                let token = required(keys, "sas.fixed.token")?;
                return Ok(Self::Sas(token));
            }
            other => {
                return Err(Error::unsupported(format!(
                    "authentication {other:?} is not supported: expected SharedKey, OAuth or SAS"
                ))
                .with("option", "fs.azure.account.auth.type"));
            }
        }
        let sas = keys.take("sas").or(keys.take("sas.fixed.token"));
        Ok(match (keys.take("account.key"), sas) {
            (Some(key), None) => Self::Key(key),
            (None, Some(token)) => Self::Sas(token),
            (None, None) => Self::Environment,
            (Some(_), Some(_)) => {
                return Err(Error::invalid(
                    "an account key and a shared access signature are both given: give one of them",
                )
                .with("option", "fs.azure.account.key"));
            }
        })
    }

    fn take_oauth(keys: &mut Keys) -> Result<Self> {
        let class = required(keys, "account.oauth.provider.type")?;
        let id = keys.take("account.oauth2.client.id");
        match class.rsplit('.').next().unwrap_or_default() {
            "ClientCredsTokenProvider" => {
                let endpoint = required(keys, "account.oauth2.client.endpoint")?;
                let (authority, tenant) = authority_of(&endpoint)?;
                Ok(Self::Client {
                    id: id.ok_or_else(|| missing("account.oauth2.client.id"))?,
                    secret: required(keys, "account.oauth2.client.secret")?,
                    tenant,
                    authority,
                })
            }
            "MsiTokenProvider" => {
                // the service knows the tenant
                let _ = keys.take("account.oauth2.msi.tenant");
                Ok(Self::Managed {
                    id,
                    endpoint: keys.take("account.oauth2.msi.endpoint"),
                })
            }
            "WorkloadIdentityTokenProvider" => Ok(Self::Workload {
                id: id.ok_or_else(|| missing("account.oauth2.client.id"))?,
                tenant: required(keys, "account.oauth2.msi.tenant")?,
                token_file: required(keys, "account.oauth2.token.file")?,
            }),
            other => Err(
                Error::unsupported(format!("token provider {other} is not supported"))
                    .with("option", "fs.azure.account.oauth.provider.type"),
            ),
        }
    }

    fn apply(self, builder: MicrosoftAzureBuilder) -> MicrosoftAzureBuilder {
        match self {
            Self::Key(key) => builder.with_access_key(key),
            Self::Sas(token) => builder.with_config(AzureConfigKey::SasKey, token),
            Self::Client {
                id,
                secret,
                tenant,
                authority,
            } => builder
                .with_client_secret_authorization(id, secret, tenant)
                .with_authority_host(authority),
            Self::Managed { id, endpoint } => {
                let builder = id
                    .into_iter()
                    .fold(builder, MicrosoftAzureBuilder::with_client_id);
                endpoint
                    .into_iter()
                    .fold(builder, MicrosoftAzureBuilder::with_msi_endpoint)
            }
            Self::Workload {
                id,
                tenant,
                token_file,
            } => builder
                .with_client_id(id)
                .with_tenant_id(tenant)
                .with_federated_token_file(token_file),
            Self::Environment => builder,
        }
    }
}

fn secrets(access: &Access, environment: &Environment) -> Vec<String> {
    let variables = [
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_ACCESS_KEY",
        "AZURE_STORAGE_SAS_TOKEN",
        "AZURE_STORAGE_SAS_KEY",
        "AZURE_STORAGE_CLIENT_SECRET",
        "AZURE_CLIENT_SECRET",
        "AZURE_STORAGE_TOKEN",
    ];
    let known = variables.iter().filter_map(|name| environment.get(name));
    let mut secrets: Vec<String> = known.map(str::to_string).collect();
    match access {
        Access::Key(secret) | Access::Sas(secret) | Access::Client { secret, .. } => {
            secrets.push(secret.clone());
        }
        _ => {}
    }
    secrets
}

fn required(keys: &mut Keys, name: &str) -> Result<String> {
    keys.take(name).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Error {
    Error::invalid("option of the store is missing").with("option", format!("fs.azure.{name}"))
}

/// `https://login.host/<tenant>/oauth2/token` as the host with its scheme, and the tenant.
fn authority_of(endpoint: &str) -> Result<(String, String)> {
    let url = url::Url::parse(endpoint).ok();
    let parts = url.as_ref().and_then(|url| {
        let tenant = url.path_segments()?.next().filter(|t| !t.is_empty())?;
        Some((url.origin().ascii_serialization(), tenant.to_string()))
    });
    parts.ok_or_else(|| {
        Error::invalid("a URL of the form https://login.host/<tenant>/oauth2/token is expected")
            .with("option", "fs.azure.account.oauth2.client.endpoint")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use paimon_core::ErrorKind;

    use super::*;

    const PLACE: &str = "abfss://data@acct.dfs.core.windows.net";
    const KEY: &str = "c2VjcmV0LWtleQ==";

    fn open(pairs: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<OpenedStore> {
        let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            let own = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()));
            own.collect()
        };
        let environment = Environment::from_iter(own(variables));
        AzureFactory::new(environment).open(PLACE, &own(pairs).into_iter().collect())
    }

    fn kind(pairs: &[(&str, &str)]) -> ErrorKind {
        open(pairs, &[]).unwrap_err().kind()
    }

    #[test]
    fn locations_name_container_and_account() {
        let place = Place::parse("wasbs://c@a.blob.core.chinacloudapi.cn").unwrap();
        assert_eq!(
            (place.container.as_str(), place.account.as_str()),
            ("c", "a")
        );
        assert_eq!(place.endpoint(), "https://a.blob.core.chinacloudapi.cn");
        for wrong in [
            "abfs://c",
            "abfs://c@host",
            "abfs://@a.dfs.x",
            "abfs://u:p@a.dfs.x",
        ] {
            let error = Place::parse(wrong).unwrap_err();
            assert!(!error.to_string().contains("u:p"), "{error}");
        }
    }

    #[test]
    fn keys_of_this_account_are_taken_and_never_shown() {
        for key in [
            "fs.azure.account.key.acct.dfs.core.windows.net",
            "azure.account.key.acct.blob.core.windows.net",
            "fs.azure.account.key",
        ] {
            let opened = open(&[(key, KEY)], &[]).unwrap();
            let shown = format!("{opened:?} {:?} {}", opened.store, opened.store);
            assert!(!shown.contains(KEY) && !shown.contains("secret"), "{shown}");
        }
        assert_eq!(
            kind(&[("fs.azure.account.key", "no base64!")]),
            ErrorKind::InvalidInput
        );
        assert!(open(&[], &[("AZURE_STORAGE_ACCOUNT_KEY", KEY)]).is_ok());
    }

    #[test]
    fn ways_to_sign_in_are_checked() {
        let class = "org.apache.hadoop.fs.azurebfs.oauth2.ClientCredsTokenProvider";
        let oauth = [
            ("fs.azure.account.auth.type", "OAuth"),
            ("fs.azure.account.oauth.provider.type", class),
            ("fs.azure.account.oauth2.client.id", "id"),
            ("fs.azure.account.oauth2.client.secret", "s"),
            (
                "fs.azure.account.oauth2.client.endpoint",
                "https://login.x/tenant/oauth2/token",
            ),
        ];
        assert!(open(&oauth, &[]).is_ok());
        assert_eq!(kind(&oauth[..4]), ErrorKind::InvalidInput);
        assert_eq!(
            kind(&[("fs.azure.account.auth.type", "Custom")]),
            ErrorKind::Unsupported
        );
        let both = [
            ("fs.azure.account.key", KEY),
            ("fs.azure.sas.fixed.token", "sig=x"),
        ];
        assert_eq!(kind(&both), ErrorKind::InvalidInput);
        let left = [("fs.azure.encryption.context.provider.type", "X")];
        assert_eq!(kind(&left), ErrorKind::Unsupported);
    }
}
