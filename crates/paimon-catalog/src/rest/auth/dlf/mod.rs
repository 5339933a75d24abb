//! Requests signed with access keys of Alibaba Cloud's Data Lake Formation.
//!
//! Java: `org.apache.paimon.rest.auth.DLFAuthProvider`, `DLFAuthProviderFactory`. Keys that expire are loaded again in time,
//! as [`Renewal`] says, and when the service does not take them.

mod classic;
mod loader;
mod openapi;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use paimon_core::io::{OptionsSource, Renewal};
use paimon_core::write::{Clock, IdSource, RandomIds, SystemClock};
use paimon_core::{Error, Result};
use tokio::sync::OnceCell;

use self::loader::Loader;
use super::Outgoing;

const ACCESS_KEY_ID: &str = "dlf.access-key-id";
const ACCESS_KEY_SECRET: &str = "dlf.access-key-secret";
const SECURITY_TOKEN: &str = "dlf.security-token";
const TOKEN_PATH: &str = "dlf.token-path";
const TOKEN_LOADER: &str = "dlf.token-loader";
const ECS_URL: &str = "dlf.token-ecs-metadata-url";
const ECS_ROLE: &str = "dlf.token-ecs-role-name";
const REGION: &str = "dlf.region";
const ALGORITHM: &str = "dlf.signing-algorithm";

const DEFAULT_ECS_URL: &str = "http://100.100.100.200/latest/meta-data/Ram/security-credentials/";
const JSON: &str = "application/json";

/// Access keys and what is signed with them.
#[derive(Clone)]
pub(in crate::rest) struct Dlf {
    signer: Arc<Signer>,
    keys: Keys,
}

#[derive(Clone)]
enum Keys {
    Given(Arc<BTreeMap<String, String>>),
    Loaded {
        loader: Arc<Loader>,
        renewal: Arc<OnceCell<Renewal>>,
    },
}

/// How requests are signed.
#[derive(Debug, PartialEq)]
enum Signer {
    /// `DLF4-HMAC-SHA256`, for a region.
    Classic(String),
    /// HMAC-SHA1 of Alibaba Cloud's OpenAPI.
    OpenApi,
}

/// Keys to sign with.
#[derive(Clone)]
pub(in crate::rest) struct SignedLogin {
    signer: Arc<Signer>,
    generation: u64,
    keys: Arc<BTreeMap<String, String>>,
}

impl PartialEq for SignedLogin {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys && self.signer == other.signer
    }
}

/// The parts of a key.
struct AccessKey<'a> {
    id: &'a str,
    secret: &'a str,
    security_token: Option<&'a str>,
}

impl fmt::Debug for Dlf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Dlf");
        shown.field("signer", &self.signer);
        match &self.keys {
            Keys::Given(_) => shown.finish_non_exhaustive(),
            Keys::Loaded { loader, .. } => shown.field("loader", loader).finish_non_exhaustive(),
        }
    }
}

impl Dlf {
    pub(super) fn new(options: &BTreeMap<String, String>) -> Result<Self> {
        let keys = match Loader::of(options)? {
            Some(loader) => Keys::Loaded {
                loader: Arc::new(loader),
                renewal: Arc::default(),
            },
            None => Keys::Given(Arc::new(given_keys(options)?)),
        };
        Ok(Self {
            signer: Arc::new(Signer::of(options)?),
            keys,
        })
    }

    pub(super) async fn login(&self, refused: Option<&SignedLogin>) -> Result<SignedLogin> {
        let (generation, keys) = match &self.keys {
            Keys::Given(keys) => (0, keys.clone()),
            Keys::Loaded { loader, renewal } => {
                let begin = || async {
                    let first = loader.options().await?;
                    Ok::<_, Error>(Renewal::new(first, loader.clone()))
                };
                let renewal = renewal.get_or_try_init(begin).await?;
                match refused {
                    Some(refused) => renewal.replaced(refused.generation).await?,
                    None => renewal.current().await?,
                }
            }
        };
        Ok(SignedLogin {
            signer: self.signer.clone(),
            generation,
            keys,
        })
    }

    /// What must not be shown.
    pub(super) fn secrets(&self) -> Vec<String> {
        let keys = match &self.keys {
            Keys::Given(keys) => Some(keys.clone()),
            Keys::Loaded { renewal, .. } => renewal.get().map(Renewal::known),
        };
        let keys = keys.unwrap_or_default();
        let secret = [ACCESS_KEY_SECRET, SECURITY_TOKEN].map(|key| keys.get(key).cloned());
        secret.into_iter().flatten().collect()
    }
}

/// The keys among the options.
fn given_keys(options: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    for key in [ACCESS_KEY_ID, ACCESS_KEY_SECRET] {
        if options.get(key).is_none_or(String::is_empty) {
            return Err(Error::invalid(format!(
                "option {key} is missing: {ACCESS_KEY_ID} with {ACCESS_KEY_SECRET}, {TOKEN_PATH} or {TOKEN_LOADER} is \
                 expected"
            ))
            .with("option", key));
        }
    }
    let keys = [ACCESS_KEY_ID, ACCESS_KEY_SECRET, SECURITY_TOKEN];
    let given = keys.map(|key| options.get_key_value(key));
    Ok(given
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect())
}

impl Signer {
    fn of(options: &BTreeMap<String, String>) -> Result<Self> {
        let uri = options.get("uri").map_or("", String::as_str);
        let algorithm = match options.get(ALGORITHM) {
            Some(algorithm) => algorithm.as_str(),
            None if uri.to_ascii_lowercase().contains("dlfnext") => "openapi",
            None => "default",
        };
        match algorithm {
            "openapi" => Ok(Self::OpenApi),
            "default" => {
                let given = options.get(REGION).map(String::as_str);
                let region = given.or_else(|| region_in(uri)).ok_or_else(|| {
                    Error::invalid("the region is expected: the address of the service has none")
                        .with("option", REGION)
                })?;
                Ok(Self::Classic(region.to_string()))
            }
            other => Err(Error::invalid(format!(
                "signing algorithm {other:?} is unknown: expected 'default' or 'openapi'"
            ))
            .with("option", ALGORITHM)),
        }
    }
}

/// The first text of the form `cn-hangzhou` or `us-east-1`, without `pre-` before it.
fn region_in(uri: &str) -> Option<&str> {
    (0..uri.len()).find_map(|at| {
        let text = uri.get(at..)?;
        let behind = text.strip_prefix("pre-").and_then(leading_region);
        behind.or_else(|| leading_region(text))
    })
}

/// `word-word` or `word-word-digits` at the beginning of a text.
fn leading_region(text: &str) -> Option<&str> {
    let length_while = |text: &str, is: fn(&u8) -> bool| text.bytes().take_while(is).count();
    let word = |text: &str| length_while(text, u8::is_ascii_lowercase);
    let first = word(text);
    let second = text.get(first..)?.strip_prefix('-').map(word)?;
    if first == 0 || second == 0 {
        return None;
    }
    let end = first + 1 + second;
    let digits = text.get(end..)?.strip_prefix('-');
    match digits.map_or(0, |digits| length_while(digits, u8::is_ascii_digit)) {
        0 => text.get(..end),
        digits => text.get(..end + 1 + digits),
    }
}

impl SignedLogin {
    /// Names, in lower case, and values of the headers of a request that is sent now.
    pub(super) fn headers(&self, request: &Outgoing<'_>) -> Result<Vec<(&'static str, String)>> {
        let now = DateTime::from_timestamp_millis(SystemClock.epoch_ms()).unwrap_or_default();
        self.headers_at(request, now, &RandomIds.uuid().to_string())
    }

    /// `nonce` is used once.
    fn headers_at(
        &self,
        request: &Outgoing<'_>,
        now: DateTime<Utc>,
        nonce: &str,
    ) -> Result<Vec<(&'static str, String)>> {
        let of = |key: &str| self.keys.get(key).map(String::as_str);
        let key = AccessKey {
            id: of(ACCESS_KEY_ID).unwrap_or_default(),
            secret: of(ACCESS_KEY_SECRET).unwrap_or_default(),
            security_token: of(SECURITY_TOKEN).filter(|token| !token.is_empty()),
        };
        match self.signer.as_ref() {
            Signer::Classic(region) => classic::headers(request, &key, region, now),
            Signer::OpenApi => openapi::headers(request, &key, now, nonce),
        }
    }
}

#[cfg(test)]
mod tests;
