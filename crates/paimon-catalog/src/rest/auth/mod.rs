//! How requests log in.
//!
//! Java: `org.apache.paimon.rest.auth`.

mod bearer;
mod dlf;

use std::collections::BTreeMap;

use paimon_core::{Error, Result};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use self::bearer::Bearer;
use self::dlf::{Dlf, SignedLogin};

/// Where requests get what they log in with.
#[derive(Debug, Clone)]
pub(super) enum Credentials {
    /// `token.provider` = `bear`
    Bearer(Bearer),
    /// `token.provider` = `dlf`
    Dlf(Dlf),
}

/// What a request logs in with. No `Debug`: it is a secret.
#[derive(Clone, PartialEq)]
pub(super) enum Login {
    Token(String),
    Keys(SignedLogin),
}

/// What of a request is signed.
pub(super) struct Outgoing<'a> {
    pub(super) method: &'a str,
    /// Parts of the path behind the address of the service, not encoded.
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) body: Option<&'a [u8]>,
}

impl Credentials {
    /// # Errors
    /// `InvalidInput` unless the options give one token or one file.
    pub(super) fn bearer(options: &BTreeMap<String, String>) -> Result<Self> {
        Bearer::new(options).map(Self::Bearer)
    }

    /// # Errors
    /// `InvalidInput` naming a missing or malformed option, `Unsupported` for a loader that is not built in.
    pub(super) fn dlf(options: &BTreeMap<String, String>) -> Result<Self> {
        Dlf::new(options).map(Self::Dlf)
    }

    /// What to log in with; `refused` is what the service did not take.
    ///
    /// # Errors
    /// Those of the file or service that it comes from.
    pub(super) async fn login(&self, refused: Option<&Login>) -> Result<Login> {
        match (self, refused) {
            (Self::Bearer(bearer), Some(Login::Token(refused))) => {
                bearer.token(Some(refused)).await.map(Login::Token)
            }
            (Self::Bearer(bearer), _) => bearer.token(None).await.map(Login::Token),
            (Self::Dlf(dlf), Some(Login::Keys(refused))) => {
                dlf.login(Some(refused)).await.map(Login::Keys)
            }
            (Self::Dlf(dlf), _) => dlf.login(None).await.map(Login::Keys),
        }
    }

    /// A text of the service without what requests log in with.
    pub(super) fn hidden_in(&self, text: &str) -> String {
        let secrets = match self {
            Self::Bearer(bearer) => bearer.known().into_iter().collect(),
            Self::Dlf(dlf) => dlf.secrets(),
        };
        let secrets = secrets.iter().filter(|secret| !secret.is_empty());
        secrets.fold(text.to_string(), |text, secret| {
            text.replace(secret, "******")
        })
    }
}

impl Login {
    /// The headers by which a request logs in now.
    ///
    /// # Errors
    /// `InvalidInput` when a secret cannot stand in a header.
    pub(super) fn headers(&self, request: &Outgoing<'_>) -> Result<HeaderMap> {
        match self {
            Self::Token(token) => {
                let value = secret_value(&format!("Bearer {token}"))?;
                Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
            }
            Self::Keys(keys) => {
                let headers = keys.headers(request)?.into_iter();
                headers
                    .map(|(name, value)| Ok((HeaderName::from_static(name), secret_value(&value)?)))
                    .collect()
            }
        }
    }
}

/// The value of a header that is never shown.
fn secret_value(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Error::invalid("the token or key for the service has characters that no header may have")
    })?;
    value.set_sensitive(true);
    Ok(value)
}
