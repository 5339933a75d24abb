//! Options of a REST catalog.
//!
//! Java: `org.apache.paimon.rest.RESTCatalogOptions`, `RESTTokenFileIO.DATA_TOKEN_ENABLED`.

use std::collections::BTreeMap;

use paimon_core::options::parse_bool;
use paimon_core::{Error, Result};

use super::auth::Credentials;

const URI: &str = "uri";
const PROVIDER: &str = "token.provider";
const DATA_TOKEN: &str = "data-token.enabled";

/// Where the service is and how to log in to it.
#[derive(Debug, Clone)]
pub(super) struct RestSettings {
    pub(super) uri: url::Url,
    /// The name under which the service knows the warehouse.
    pub(super) warehouse: Option<String>,
    pub(super) credentials: Credentials,
}

impl RestSettings {
    /// # Errors
    /// `InvalidInput` for a missing or malformed option, `Unsupported` naming what this client cannot do.
    pub(super) fn new(options: &BTreeMap<String, String>) -> Result<Self> {
        gives_tokens(options)?;
        let credentials = match options.get(PROVIDER).map(String::as_str) {
            Some("bear") => Credentials::bearer(options)?,
            Some("dlf") => Credentials::dlf(options)?,
            Some(other) => {
                return Err(Error::unsupported(format!(
                    "token provider {other:?} is not supported: expected 'bear' or 'dlf'"
                ))
                .with("option", PROVIDER));
            }
            None => {
                return Err(Error::invalid(
                    "option token.provider is missing: 'bear' or 'dlf' is expected",
                )
                .with("option", PROVIDER));
            }
        };
        Ok(Self {
            uri: uri(options)?,
            warehouse: options.get("warehouse").cloned(),
            credentials,
        })
    }
}

/// Whether the service gives out credentials for the store of each table (`data-token.enabled`).
///
/// # Errors
/// `InvalidInput` for what is neither true nor false.
pub(super) fn gives_tokens(options: &BTreeMap<String, String>) -> Result<bool> {
    let given = options.get(DATA_TOKEN).map(|text| parse_bool(text));
    given
        .unwrap_or(Ok(false))
        .map_err(|e| e.with("option", DATA_TOKEN))
}

fn uri(options: &BTreeMap<String, String>) -> Result<url::Url> {
    let wrong = |found: &str| {
        Error::invalid(format!(
            "the address of the service is expected, such as http://host:8080, found {found}"
        ))
        .with("option", URI)
    };
    let text = options.get(URI).map(|u| u.trim());
    let text = text
        .filter(|u| !u.is_empty())
        .ok_or_else(|| wrong("none"))?;
    let text = match text.starts_with("http://") || text.starts_with("https://") {
        true => text.to_string(),
        false => format!("http://{text}"),
    };
    if text.contains('@') {
        return Err(wrong("one with a user name"));
    }
    let uri: url::Url = text.parse().map_err(|_| wrong("another form"))?;
    match uri.host_str().is_some() && uri.query().is_none() && uri.fragment().is_none() {
        true => Ok(uri),
        false => Err(wrong("another form")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn settings(options: &[(&str, &str)]) -> Result<RestSettings> {
        let options = options.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        RestSettings::new(&options.collect())
    }

    const BEAR: (&str, &str) = (PROVIDER, "bear");
    const TOKEN: (&str, &str) = ("token", "hush");

    #[test]
    fn addresses_of_every_form_are_understood() {
        for (given, meant) in [
            ("h:1/", "http://h:1/"),
            ("https://h/base/", "https://h/base/"),
        ] {
            let s = settings(&[("uri", given), BEAR, TOKEN]).unwrap();
            assert_eq!(s.uri.as_str(), meant);
        }
        for wrong in ["", "http://", "http://u:p@h", "http://h?q=1"] {
            assert!(settings(&[("uri", wrong), BEAR, TOKEN]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        let uri = ("uri", "http://h");
        for (options, word) in [
            (vec![uri, TOKEN], PROVIDER),
            (vec![uri, (PROVIDER, "unheard")], "unheard"),
            (vec![uri, BEAR], "token"),
            (vec![uri, BEAR, TOKEN, (DATA_TOKEN, "maybe")], DATA_TOKEN),
            (vec![uri, BEAR, TOKEN, ("token-file", "/x")], "token-file"),
        ] {
            let error = settings(&options).unwrap_err().to_string();
            assert!(error.contains(word), "{word}: {error}");
            assert!(!error.contains("hush"));
        }
        let s = settings(&[uri, BEAR, TOKEN, (DATA_TOKEN, "false")]).unwrap();
        assert!(!format!("{s:?}").contains("hush"));
    }
}
