//! Access keys in a file or of the role that a machine of Alibaba Cloud has.
//!
//! Java: `org.apache.paimon.rest.auth.DLFLocalFileTokenLoader`, `DLFECSTokenLoader`, `DLFToken`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::NaiveDateTime;
use paimon_core::io::{ExpiringOptions, OptionsSource};
use paimon_core::write::{Clock, SystemClock};
use paimon_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, DEFAULT_ECS_URL, ECS_ROLE, ECS_URL, SECURITY_TOKEN,
    TOKEN_LOADER, TOKEN_PATH,
};
use crate::rest::client::read;

const RETRIES: u32 = 3;
const FIRST_SLEEP: Duration = Duration::from_millis(200);
const CALL: Duration = Duration::from_secs(10);

/// Loads keys. What it reads is never shown.
pub(super) enum Loader {
    File(String),
    Ecs(Ecs),
}

/// The metadata service of the machine.
pub(super) struct Ecs {
    http: reqwest::Client,
    /// Ends with a slash.
    url: String,
    role: OnceCell<String>,
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File(_) => "keys in a file",
            Self::Ecs(_) => "keys of the machine's role",
        })
    }
}

impl Loader {
    /// The loader that the options ask for.
    pub(super) fn of(options: &BTreeMap<String, String>) -> Result<Option<Self>> {
        let loader = options.get(TOKEN_LOADER).map(String::as_str);
        let path = options.get(TOKEN_PATH);
        let refused = |keys: &[&'static str], because: &str| {
            let given = keys.iter().find(|key| options.contains_key(**key));
            given.map_or(Ok(()), |key| {
                Err(Error::invalid(format!("option {key} has no use {because}"))
                    .with("option", key))
            })
        };
        const GIVEN: [&str; 3] = [ACCESS_KEY_ID, ACCESS_KEY_SECRET, SECURITY_TOKEN];
        if loader != Some("ecs") {
            refused(&[ECS_URL, ECS_ROLE], "but with dlf.token-loader = ecs")?;
        }
        match (loader, path) {
            (None, None) => Ok(None),
            (None | Some("local_file"), Some(path)) => {
                refused(&GIVEN, "beside dlf.token-path")?;
                Ok(Some(Self::File(path.clone())))
            }
            (Some("local_file"), None) => Err(Error::invalid(
                "option dlf.token-path is missing: the file with the access keys",
            )
            .with("option", TOKEN_PATH)),
            (Some("ecs"), _) => {
                refused(&GIVEN, "with dlf.token-loader = ecs")?;
                refused(&[TOKEN_PATH], "with dlf.token-loader = ecs")?;
                Ecs::new(options).map(|ecs| Some(Self::Ecs(ecs)))
            }
            (Some(other), _) => Err(Error::unsupported(format!(
                "token loader {other:?} is not supported: expected 'ecs' or 'local_file'"
            ))
            .with("option", TOKEN_LOADER)),
        }
    }

    async fn load(&self) -> Result<ExpiringOptions> {
        match self {
            Self::File(path) => {
                let text = tokio::fs::read(path).await.map_err(|e| {
                    Error::new(
                        ErrorKind::Io,
                        "the file with the access keys cannot be read",
                    )
                    .with_source(e)
                });
                let keys = text.and_then(|text| keys_of(&text));
                keys.map_err(|e| e.with("path", path))
            }
            Self::Ecs(ecs) => ecs.keys().await,
        }
    }
}

#[async_trait]
impl OptionsSource for Loader {
    /// Tried a few times: a file may be half written, a service away for a moment.
    async fn options(&self) -> Result<ExpiringOptions> {
        let mut sleep = FIRST_SLEEP;
        for _ in 0..RETRIES {
            match self.load().await {
                Ok(keys) => return Ok(keys),
                Err(_) => tokio::time::sleep(sleep).await,
            }
            sleep *= 2;
        }
        self.load().await
    }
}

impl Ecs {
    fn new(options: &BTreeMap<String, String>) -> Result<Self> {
        let url = options.get(ECS_URL).map_or(DEFAULT_ECS_URL, String::as_str);
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Error::invalid(
                "the address of the machine's metadata service is expected: http://..",
            )
            .with("option", ECS_URL));
        }
        // the service is the machine's own: no proxy leads there
        let http = reqwest::Client::builder()
            .timeout(CALL)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build();
        let http = http.map_err(|e| {
            Error::new(ErrorKind::Io, "no HTTP client could be made").with_source(e)
        })?;
        Ok(Self {
            http,
            url: format!("{}/", url.trim_end_matches('/')),
            role: OnceCell::new_with(options.get(ECS_ROLE).cloned()),
        })
    }

    async fn keys(&self) -> Result<ExpiringOptions> {
        let role = self.role.get_or_try_init(|| self.ask_role()).await?;
        let keys = self.get(role).await.and_then(|answer| keys_of(&answer));
        keys.map_err(|e| e.with("uri", &self.url).with("role", role))
    }

    async fn ask_role(&self) -> Result<String> {
        let role = self.get("").await.map_err(|e| e.with("uri", &self.url))?;
        let role = String::from_utf8(role).unwrap_or_default();
        let is_name = |c: char| c.is_ascii_alphanumeric() || ".-_@".contains(c);
        match role.trim() {
            role if !role.is_empty() && role.chars().all(is_name) => Ok(role.to_string()),
            _ => Err(
                Error::damaged("the machine's metadata service names no role, or several")
                    .with("uri", &self.url),
            ),
        }
    }

    async fn get(&self, name: &str) -> Result<Vec<u8>> {
        let lost = |error: reqwest::Error| {
            Error::new(
                ErrorKind::Io,
                "the machine's metadata service does not answer",
            )
            .with_source(error.without_url())
        };
        let request = self.http.get(format!("{}{name}", self.url));
        let answer = request.send().await.map_err(lost)?;
        let status = answer.status();
        if !status.is_success() {
            let text = format!(
                "the machine's metadata service refuses (code {})",
                status.as_u16()
            );
            return Err(Error::new(ErrorKind::Io, text));
        }
        let body = read(answer).await.map_err(lost)?;
        body.ok_or_else(|| {
            Error::damaged("the answer of the machine's metadata service is too long")
        })
    }
}

/// Keys as they stand in files and answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Token {
    access_key_id: String,
    access_key_secret: String,
    security_token: Option<String>,
    expiration: Option<String>,
}

fn keys_of(json: &[u8]) -> Result<ExpiringOptions> {
    // what a parser says may show what it read
    let wrong = |what: &str| Error::damaged(format!("expected {what}"));
    let token: Token = serde_json::from_slice(json)
        .map_err(|_| wrong("JSON with the AccessKeyId and AccessKeySecret of a DLF token"))?;
    let left = |text: &String| {
        let end = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%SZ");
        let end = end.map_err(|_| wrong("an Expiration such as 2026-01-31T23:59:59Z"))?;
        let left = end.and_utc().timestamp_millis() - SystemClock.epoch_ms();
        Ok::<_, Error>(Duration::from_millis(u64::try_from(left).unwrap_or(0)))
    };
    let holds_for = token.expiration.as_ref().map(left).transpose()?;
    let mut options = BTreeMap::from([
        (ACCESS_KEY_ID.to_string(), token.access_key_id),
        (ACCESS_KEY_SECRET.to_string(), token.access_key_secret),
    ]);
    let security_token = token.security_token;
    options.extend(security_token.map(|token| (SECURITY_TOKEN.to_string(), token)));
    Ok(ExpiringOptions { options, holds_for })
}
