//! What the clients of all stores have in common: time limits, retries and errors.

use std::time::Duration;

use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use paimon_core::{Error, ErrorKind, Result};
use rand::Rng;

use crate::keys::Keys;

const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// A request with its whole answer: a column chunk of a large file over a slow line must fit.
const REQUEST_TIMEOUT_MS: u64 = 120_000;
const RETRIES: usize = 8;
/// No retry begins after this time.
const RETRY_LIMIT: Duration = Duration::from_secs(150);
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_LONGEST: Duration = Duration::from_secs(10);

/// Time limits and retries of a store client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Patience {
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) retries: usize,
}

/// Option names of [`Patience`].
pub(crate) struct PatienceKeys {
    pub(crate) connect_timeout: &'static str,
    /// The first that is given counts.
    pub(crate) request_timeout: &'static [&'static str],
    /// All tries, the first included, or retries alone.
    pub(crate) tries: &'static str,
    pub(crate) retries: &'static str,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_millis(CONNECT_TIMEOUT_MS),
            request_timeout: Duration::from_millis(REQUEST_TIMEOUT_MS),
            retries: RETRIES,
        }
    }
}

impl Patience {
    /// From the options, with defaults of 5 seconds, 2 minutes and 8 retries.
    ///
    /// # Errors
    /// `InvalidInput` naming the malformed option.
    pub(crate) fn take(keys: &mut Keys, names: &PatienceKeys) -> Result<Self> {
        let connect = keys.take_duration_ms(names.connect_timeout)?;
        let mut request = None;
        for name in names.request_timeout {
            request = request.or(keys.take_duration_ms(name)?);
        }
        let tries: Option<usize> = keys.take_number(names.tries)?;
        let retries: Option<usize> = keys.take_number(names.retries)?;
        let retries = retries.or(tries.map(|t| t.saturating_sub(1)));
        // no limit, as in Java
        let limit = |ms: Option<u64>, default: Duration| match ms {
            Some(0) => Duration::from_secs(24 * 3600),
            Some(ms) => Duration::from_millis(ms),
            None => default,
        };
        let default = Self::default();
        Ok(Self {
            connect_timeout: limit(connect, default.connect_timeout),
            request_timeout: limit(request, default.request_timeout),
            retries: retries.unwrap_or(default.retries),
        })
    }

    /// Retries with growing, jittered pauses, for requests that are idempotent.
    pub(crate) fn retries(&self) -> RetryConfig {
        self.at_most(self.retries)
    }

    /// No retries: for requests of which it must be known whether they were sent twice.
    pub(crate) fn once(&self) -> RetryConfig {
        self.at_most(0)
    }

    fn at_most(&self, max_retries: usize) -> RetryConfig {
        RetryConfig {
            backoff: BackoffConfig {
                init_backoff: BACKOFF_FIRST,
                max_backoff: BACKOFF_LONGEST,
                base: 2.0,
            },
            max_retries,
            retry_timeout: RETRY_LIMIT,
        }
    }

    /// The pause before a retry, counted from 1: random, below a bound that doubles. `None`: no more retries.
    pub(crate) fn pause(&self, retry: usize, elapsed: Duration) -> Option<Duration> {
        if retry > self.retries || elapsed > RETRY_LIMIT {
            return None;
        }
        let doublings = u32::try_from(retry.min(10)).unwrap_or(10);
        let bound = BACKOFF_LONGEST.min(BACKOFF_FIRST * 2u32.pow(doublings));
        let share = rand::rng().random_range(0.5..1.0);
        Some(bound.mul_f64(share))
    }

    /// Time limits; `allow_http` only where the endpoint says so itself.
    pub(crate) fn client(&self, allow_http: bool) -> ClientOptions {
        ClientOptions::new()
            .with_allow_http(allow_http)
            .with_connect_timeout(self.connect_timeout)
            .with_timeout(self.request_timeout)
    }
}

/// A client that could not be made. Its error may quote values, so that it is not kept.
pub(crate) fn unusable(store: &str, error: &object_store::Error) -> Error {
    let reason = match error {
        object_store::Error::Generic { source, .. } => first_line(&source.to_string()),
        other => first_line(&other.to_string()),
    };
    Error::new(
        ErrorKind::InvalidInput,
        format!("the options describe no usable {store} client: {reason}"),
    )
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_string()
}

/// Whether an endpoint asks for plain HTTP.
pub(crate) fn is_http(endpoint: &str) -> bool {
    endpoint
        .get(..7)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"))
}
