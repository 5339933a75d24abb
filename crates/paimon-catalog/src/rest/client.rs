//! Requests to the service: bounded waits, repetition of what may be repeated, and errors by their codes.
//!
//! Java: `org.apache.paimon.rest.HttpClient`, `DefaultErrorHandler`, `ExponentialHttpRequestRetryStrategy`.

use std::collections::BTreeMap;
use std::time::Duration;

use paimon_core::{Error, ErrorKind, Result};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::auth::{Credentials, Login, Outgoing};
use super::settings::RestSettings;
use crate::tables::{OUTCOME, UNKNOWN};

const CONNECT: Duration = Duration::from_secs(10);
const CALL: Duration = Duration::from_secs(60);
const RETRIES: u32 = 4;
const FIRST_SLEEP: Duration = Duration::from_millis(100);
const SLEEP_MAX: Duration = Duration::from_secs(8);
/// Longest answer, bytes.
const ANSWER_MAX: usize = 64 << 20;
/// Options with this prefix are headers of every request.
const HEADER: &str = "header.";

/// Why the service did not do what it was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no such thing (404); of which kind the service says.
    Missing(Kind, Error),
    /// It is there already (409).
    Exists(Error),
    /// It said no, or was never reached: nothing happened.
    Refused(Error),
    /// The answer was lost or says nothing: it may have happened.
    Doubtful(Error),
}

/// A kind of thing that the service may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Database,
    Table,
    Column,
    Definition,
    Dialect,
    Other,
}

impl Kind {
    fn of(text: &str) -> Self {
        match text.to_ascii_uppercase().as_str() {
            "DATABASE" => Self::Database,
            "TABLE" => Self::Table,
            "COLUMN" => Self::Column,
            "DEFINITION" => Self::Definition,
            "DIALECT" => Self::Dialect,
            _ => Self::Other,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Missing(_, error) | Failure::Exists(error) | Failure::Refused(error) => error,
            Failure::Doubtful(error) => error.with(OUTCOME, UNKNOWN),
        }
    }
}

/// What the service says beside a code other than 2xx.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ErrorAnswer {
    message: Option<String>,
    resource_type: Option<String>,
    resource_name: Option<String>,
}

/// A connection to the service.
#[derive(Debug, Clone)]
pub(super) struct RestClient {
    http: reqwest::Client,
    base: url::Url,
    credentials: Credentials,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    No,
    /// The service did not begin with the request, or repeating it changes nothing.
    Safe,
    /// Only if the request changes nothing.
    IfReading,
}

impl RestClient {
    /// # Errors
    /// `Io` when the system's certificates cannot be loaded.
    pub(super) fn new(settings: &RestSettings) -> Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(CALL)
            .redirect(reqwest::redirect::Policy::none())
            .build();
        let http = http.map_err(|e| {
            Error::new(ErrorKind::Io, "no HTTP client could be made").with_source(e)
        })?;
        Ok(Self {
            http,
            base: settings.uri.clone(),
            credentials: settings.credentials.clone(),
        })
    }

    /// Asks for something. Repeated when the answer is lost.
    ///
    /// # Errors
    /// [`Failure`] by the code of the answer.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        headers: &HeaderMap,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, Failure> {
        let answer = self.send(Method::GET, headers, path, query, None).await;
        let answer = answer.map_err(|failure| match failure {
            // there is nothing to be in doubt about
            Failure::Doubtful(error) => Failure::Refused(error),
            other => other,
        })?;
        // a token may be in it: what it holds is not shown
        serde_json::from_slice(&answer).map_err(|e| {
            let found = format!(
                "the service's answer has another form than expected: {}",
                e.classify_text()
            );
            Failure::Refused(Error::damaged(found).with("uri", self.shown(path)))
        })
    }

    /// Changes something. Sent once, unless the service cannot have begun with it. An empty answer is JSON null.
    ///
    /// # Errors
    /// [`Failure`] by the code of the answer.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        headers: &HeaderMap,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).map_err(|e| {
            Failure::Refused(Error::internal("a request is no JSON").with_source(e))
        })?;
        let answer = self
            .send(Method::POST, headers, path, &[], Some(body))
            .await?;
        let answer = match answer.is_empty() {
            true => &b"null"[..],
            false => &answer,
        };
        serde_json::from_slice(answer).map_err(|e| {
            let found = format!(
                "the service's answer has another form than expected: {}",
                e.classify_text()
            );
            Failure::Doubtful(Error::damaged(found).with("uri", self.shown(path)))
        })
    }

    /// Removes something. Sent once, as [`Self::post`].
    ///
    /// # Errors
    /// [`Failure`] by the code of the answer.
    pub(super) async fn delete(&self, headers: &HeaderMap, path: &[&str]) -> Result<(), Failure> {
        let done = self.send(Method::DELETE, headers, path, &[], None).await;
        done.map(|_| ())
    }

    async fn send(
        &self,
        method: Method,
        headers: &HeaderMap,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<Vec<u8>, Failure> {
        let is_read = method == Method::GET;
        let outgoing = Outgoing {
            method: method.as_str(),
            path,
            query,
            body: body.as_deref(),
        };
        let login = self.credentials.login(None).await;
        let mut login = login.map_err(Failure::Refused)?;
        let mut is_new_login = false;
        let (mut sleep, mut retries) = (FIRST_SLEEP, 0);
        loop {
            let request = self.request(&method, headers, &outgoing, &login);
            let request = request.map_err(Failure::Refused)?;
            let (failure, again) = match self.attempt(request, path).await {
                Ok(answer) => return Ok(answer),
                Err(Refusal::Token(failure)) => {
                    let newer = self.credentials.login(Some(&login)).await;
                    let newer = newer.map_err(Failure::Refused)?;
                    if is_new_login || newer == login {
                        return Err(failure);
                    }
                    (login, is_new_login) = (newer, true);
                    continue;
                }
                Err(Refusal::Other(failure, again)) => (failure, again),
            };
            let may = again == Again::Safe || (again == Again::IfReading && is_read);
            if !may || retries >= RETRIES {
                return Err(failure);
            }
            retries += 1;
            tokio::time::sleep(sleep).await;
            sleep = sleep.saturating_mul(4).min(SLEEP_MAX);
        }
    }

    /// A request that logs in now.
    fn request(
        &self,
        method: &Method,
        headers: &HeaderMap,
        outgoing: &Outgoing<'_>,
        login: &Login,
    ) -> Result<reqwest::RequestBuilder> {
        let url = self.url(outgoing.path, outgoing.query);
        let mut request = self.http.request(method.clone(), url);
        request = request.headers(headers.clone());
        if let Some(body) = outgoing.body {
            request = request
                .header(reqwest::header::CONTENT_TYPE, "application/json")
                .body(body.to_vec());
        }
        // these stand in place of others of their names
        Ok(request.headers(login.headers(outgoing)?))
    }

    async fn attempt(
        &self,
        request: reqwest::RequestBuilder,
        path: &[&str],
    ) -> Result<Vec<u8>, Refusal> {
        let lost = |error: reqwest::Error| {
            let (text, again) = match () {
                () if error.is_connect() => ("the service cannot be reached", Again::Safe),
                () if error.is_timeout() => {
                    ("the service did not answer in time", Again::IfReading)
                }
                () => ("the service's answer was lost", Again::IfReading),
            };
            let cause = Error::new(ErrorKind::Io, text)
                .with("uri", self.shown(path))
                .with_source(error.without_url());
            let failure = match again {
                Again::Safe => Failure::Refused(cause),
                _ => Failure::Doubtful(cause),
            };
            Refusal::Other(failure, again)
        };
        let answer = request.send().await.map_err(lost)?;
        let status = answer.status();
        let body = read(answer).await.map_err(lost)?.ok_or_else(|| {
            let text = format!("the service's answer is longer than {ANSWER_MAX} bytes");
            let error = Error::damaged(text).with("uri", self.shown(path));
            Refusal::Other(Failure::Doubtful(error), Again::No)
        })?;
        match status.is_success() {
            true => Ok(body),
            false => Err(self.refusal(status, &body, path)),
        }
    }

    /// The failure that a code stands for.
    fn refusal(&self, status: StatusCode, body: &[u8], path: &[&str]) -> Refusal {
        let answer: ErrorAnswer = serde_json::from_slice(body).unwrap_or_default();
        let kind = Kind::of(answer.resource_type.as_deref().unwrap_or_default());
        let code = status.as_u16();
        let error = self.error(code, answer, path);
        let (failure, again) = match code {
            401 => return Refusal::Token(Failure::Refused(error)),
            404 => (Failure::Missing(kind, error), Again::No),
            409 => (Failure::Exists(error), Again::No),
            429 => (Failure::Refused(error), Again::Safe),
            501 => (Failure::Refused(error), Again::No),
            502..=504 => (Failure::Doubtful(error), Again::IfReading),
            500..=599 => (Failure::Doubtful(error), Again::No),
            _ => (Failure::Refused(error), Again::No),
        };
        Refusal::Other(failure, again)
    }

    fn error(&self, code: u16, answer: ErrorAnswer, path: &[&str]) -> Error {
        let (kind, text) = match code {
            400 => (ErrorKind::InvalidInput, "the service refuses the request"),
            401 => (
                ErrorKind::InvalidInput,
                "the service does not take the token or key",
            ),
            403 => (ErrorKind::InvalidInput, "the service forbids it"),
            404 => (ErrorKind::NotFound, "the service does not have it"),
            409 => (ErrorKind::InvalidInput, "the service has it already"),
            405 | 501 => (ErrorKind::Unsupported, "the service cannot do that"),
            429 => (ErrorKind::Io, "the service has too much to do"),
            500..=599 => (ErrorKind::Io, "the service failed"),
            _ => (ErrorKind::Io, "the service gave an unexpected answer"),
        };
        let said = answer.message.filter(|m| !m.is_empty());
        let said = said.map(|m| format!(": {}", self.without_secrets(&m)));
        let text = format!("{text} (code {code}){}", said.unwrap_or_default());
        let error = Error::new(kind, text).with("uri", self.shown(path));
        match answer.resource_name.filter(|name| !name.is_empty()) {
            Some(name) => error.with("resource", self.without_secrets(&name)),
            None => error,
        }
    }

    fn without_secrets(&self, text: &str) -> String {
        hide_secrets(&self.credentials.hidden_in(text))
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> url::Url {
        let mut url = self.base.clone();
        let base = url.path().trim_end_matches('/').to_string();
        url.set_path(&format!("{base}{}", resource(path)));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    fn shown(&self, path: &[&str]) -> String {
        self.url(path, &[]).to_string()
    }
}

/// Why an attempt gave no answer.
enum Refusal {
    /// The service does not take what the request logged in with.
    Token(Failure),
    Other(Failure, Again),
}

/// The text of a body; `None` when it is too long.
pub(super) async fn read(mut answer: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len().saturating_add(chunk.len()) > ANSWER_MAX {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// The path behind the address of the service.
pub(super) fn resource(path: &[&str]) -> String {
    let encoded: Vec<String> = path.iter().map(|part| encode(part)).collect();
    format!("/v1/{}", encoded.join("/"))
}

/// Encodes a part of a path as Java does: as a value of a form.
pub(super) fn encode(part: &str) -> String {
    url::form_urlencoded::byte_serialize(part.as_bytes()).collect()
}

/// Hides what follows words such as `password=`, `token:` and `Bearer` in a message of the service.
fn hide_secrets(message: &str) -> String {
    const WORDS: &[&str] = &["password", "secret", "token", "access-key", "accesskey"];
    const HIDDEN: &str = "******";
    let is_secret = |key: &str| {
        let lower = key.to_ascii_lowercase();
        WORDS.iter().any(|w| lower.contains(w))
    };
    let mut next_is_secret = false;
    let mut hide = |word: &str| {
        let hidden = std::mem::take(&mut next_is_secret);
        if word.eq_ignore_ascii_case("bearer") {
            next_is_secret = true;
            return word.to_string();
        }
        match word.split_once(['=', ':']) {
            Some((key, "")) if is_secret(key) => {
                next_is_secret = true;
                word.to_string()
            }
            Some((key, _)) if is_secret(key) => format!("{key}={HIDDEN}"),
            _ if hidden && !word.is_empty() => HIDDEN.to_string(),
            _ => word.to_string(),
        }
    };
    message
        .split(' ')
        .map(&mut hide)
        .collect::<Vec<_>>()
        .join(" ")
}

/// What a parser says without the text that it read.
trait ClassifyText {
    fn classify_text(&self) -> String;
}

impl ClassifyText for serde_json::Error {
    fn classify_text(&self) -> String {
        format!(
            "{:?} at line {} column {}",
            self.classify(),
            self.line(),
            self.column()
        )
    }
}

/// Headers that options ask for.
///
/// # Errors
/// `InvalidInput` for what is no header.
pub(super) fn headers(options: &BTreeMap<String, String>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (key, value) in options {
        let Some(name) = key.strip_prefix(HEADER) else {
            continue;
        };
        let wrong =
            || Error::invalid("expected the name and value of a header").with("option", key);
        let name: HeaderName = name.parse().map_err(|_| wrong())?;
        let value: HeaderValue = value.parse().map_err(|_| wrong())?;
        headers.insert(name, value);
    }
    Ok(headers)
}
