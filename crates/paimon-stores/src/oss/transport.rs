//! Requests over the HTTP client that the other stores use, with their time limits and retries.

use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::{Method, Request, Response, StatusCode, request};
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, Result};
use tokio::time::{Instant, sleep};

use crate::client::Patience;

/// Sends requests and reads their whole answers.
pub(super) struct Transport {
    client: reqwest::Client,
    patience: Patience,
    retries: bool,
}

impl Transport {
    /// `retries`: whether requests are sent again by themselves.
    ///
    /// # Errors
    /// `InvalidInput` when the client cannot be made, as without certificates of the system.
    pub(super) fn new(patience: &Patience, retries: bool) -> paimon_core::Result<Self> {
        let client = reqwest::Client::builder()
            .connect_timeout(patience.connect_timeout)
            .timeout(patience.request_timeout)
            .build();
        let client = client.map_err(|e| {
            paimon_core::Error::invalid("the options describe no usable OSS client").with_source(e)
        })?;
        Ok(Self {
            client,
            patience: patience.clone(),
            retries,
        })
    }

    async fn send(&self, parts: &request::Parts, body: Bytes) -> Result<Response<Bytes>> {
        let sent = self
            .client
            .request(parts.method.clone(), parts.uri.to_string())
            .headers(parts.headers.clone())
            .body(body)
            .send();
        let answer = sent.await.map_err(lost)?;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        response.extensions_mut().insert(parts.uri.clone());
        *response.body_mut() = answer.bytes().await.map_err(lost)?;
        Ok(response)
    }

    fn pause(
        &self,
        retry: usize,
        answer: &Result<Response<Bytes>>,
        elapsed: Duration,
    ) -> Option<Duration> {
        let again = match answer {
            Ok(response) => is_passing(response.status()),
            Err(error) => error.is_temporary(),
        };
        match self.retries && again {
            true => self.patience.pause(retry, elapsed),
            false => None,
        }
    }
}

impl HttpTransport for Transport {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        let (parts, body) = request.into_parts();
        let body = body.to_bytes();
        let began = Instant::now();
        let mut retry = 0;
        loop {
            let answer = self.send(&parts, body.clone()).await;
            retry += 1;
            if let Some(pause) = self.pause(retry, &answer, began.elapsed()) {
                tracing::debug!(method = %parts.method, retry, "a request is sent again");
                sleep(pause).await;
                continue;
            }
            return answer.map(|answer| with_stream(answer, &parts.method));
        }
    }
}

/// No answer, or half of one. The error names the address without its query.
fn lost(error: reqwest::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "no answer from the service")
        .set_temporary()
        .set_source(error)
}

fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

fn with_stream(answer: Response<Bytes>, method: &Method) -> Response<HttpBody> {
    let (parts, bytes) = answer.into_parts();
    let size = u64::try_from(bytes.len()).ok();
    let size = size.filter(|_| *method != Method::HEAD);
    let content = (!bytes.is_empty()).then(|| Ok(Buffer::from(bytes)));
    Response::from_parts(parts, HttpBody::new(stream::iter(content), size))
}
