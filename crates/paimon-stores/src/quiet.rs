//! A store whose credentials never show: not in `Debug`, not in errors.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart,
};

use crate::client::Patience;

/// Wraps a client. Clients print their credentials in `Debug`; servers repeat the key id in their answers.
///
/// Conditional puts go through a second client that never sends a request twice by itself: a put that finds its name
/// taken must know whether an earlier one of its own may have taken it.
pub(crate) struct Quiet<S> {
    inner: S,
    once: S,
    patience: Patience,
    scrub: Scrub,
}

/// Takes secrets out of errors, and tells a missing bucket from a missing file.
#[derive(Clone)]
struct Scrub {
    kind: &'static str,
    secrets: Arc<[String]>,
}

impl<S: ObjectStore> Quiet<S> {
    /// `inner` retries, `once` does not; `kind` is the store's name in errors.
    pub(crate) fn new(
        inner: S,
        once: S,
        patience: Patience,
        kind: &'static str,
        secrets: Vec<String>,
    ) -> Self {
        let secrets = secrets.into_iter().filter(|s| !s.is_empty()).collect();
        Self {
            inner,
            once,
            patience,
            scrub: Scrub { kind, secrets },
        }
    }

    /// A conditional put with retries. Once it was sent a second time, a name that is taken is no answer any more.
    async fn create(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let began = tokio::time::Instant::now();
        let mut retry = 0;
        loop {
            let put = self
                .once
                .put_opts(location, payload.clone(), opts.clone())
                .await;
            let Err(error) = put else { return put };
            let taken = matches!(
                error,
                Error::AlreadyExists { .. } | Error::Precondition { .. }
            );
            if taken && retry > 0 {
                return Err(Error::Generic {
                    store: self.scrub.kind,
                    source: "the file is there, created by this request or another one".into(),
                });
            }
            retry += 1;
            match self.patience.pause(retry, began.elapsed()) {
                Some(pause) if is_transient(&error) => {
                    tracing::debug!(%location, retry, "a conditional put is sent again");
                    tokio::time::sleep(pause).await;
                }
                _ => return Err(error),
            }
        }
    }
}

/// An answer that will be the same next time.
#[cfg(feature = "oss")]
#[derive(Debug)]
pub(crate) struct Permanent(pub(crate) String);

#[cfg(feature = "oss")]
impl fmt::Display for Permanent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(feature = "oss")]
impl std::error::Error for Permanent {}

/// Whether the same request may succeed later: no answer, a failure of the server, or too many requests.
fn is_transient(error: &Error) -> bool {
    let Error::Generic { source, .. } = error else {
        return false;
    };
    #[cfg(feature = "oss")]
    if source.is::<Permanent>() {
        return false;
    }
    let text = chain(source.as_ref());
    let Some((_, status)) = text.split_once("status code: ") else {
        return true;
    };
    status.starts_with('5') && !status.starts_with("501")
        || status.starts_with("408")
        || status.starts_with("429")
}

impl Scrub {
    fn error(&self, error: Error) -> Error {
        let text = chain(&error);
        let missing = ["NoSuchBucket", "ContainerNotFound"];
        if missing.iter().any(|m| text.contains(m)) {
            return Error::Generic {
                store: self.kind,
                source: "the bucket or container does not exist".into(),
            };
        }
        if !self
            .secrets
            .iter()
            .any(|secret| text.contains(secret.as_str()))
        {
            return error;
        }
        let hide = |text: String, secret: &String| text.replace(secret.as_str(), "******");
        let source = self.secrets.iter().fold(text, hide).into();
        match error {
            Error::PermissionDenied { path, .. } => Error::PermissionDenied { path, source },
            Error::Unauthenticated { path, .. } => Error::Unauthenticated { path, source },
            Error::NotFound { path, .. } => Error::NotFound { path, source },
            Error::AlreadyExists { path, .. } => Error::AlreadyExists { path, source },
            Error::Precondition { path, .. } => Error::Precondition { path, source },
            Error::NotModified { path, .. } => Error::NotModified { path, source },
            _ => Error::Generic {
                store: self.kind,
                source,
            },
        }
    }
}

/// The error with all that caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = next.source();
    }
    text
}

impl<S: ObjectStore> fmt::Debug for Quiet<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<S: ObjectStore> fmt::Display for Quiet<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

#[async_trait::async_trait]
impl<S: ObjectStore> ObjectStore for Quiet<S> {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let put = match opts.mode {
            PutMode::Create => self.create(location, payload, opts).await,
            _ => self.inner.put_opts(location, payload, opts).await,
        };
        put.map_err(|e| self.scrub.error(e))
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.inner.put_multipart_opts(location, opts).await;
        let upload = upload.map_err(|e| self.scrub.error(e))?;
        Ok(Box::new(QuietUpload {
            inner: upload,
            scrub: self.scrub.clone(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let got = self.inner.get_opts(location, options).await;
        got.map_err(|e| self.scrub.error(e))
    }

    async fn get_ranges(
        &self,
        location: &Path,
        ranges: &[Range<u64>],
    ) -> Result<Vec<bytes::Bytes>> {
        let got = self.inner.get_ranges(location, ranges).await;
        got.map_err(|e| self.scrub.error(e))
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let scrub = self.scrub.clone();
        let deleted = self.inner.delete_stream(locations);
        deleted.map(move |d| d.map_err(|e| scrub.error(e))).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let scrub = self.scrub.clone();
        let listed = self.inner.list(prefix);
        listed.map(move |l| l.map_err(|e| scrub.error(e))).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let listed = self.inner.list_with_delimiter(prefix).await;
        listed.map_err(|e| self.scrub.error(e))
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let copied = self.inner.copy_opts(from, to, options).await;
        copied.map_err(|e| self.scrub.error(e))
    }
}

struct QuietUpload {
    inner: Box<dyn MultipartUpload>,
    scrub: Scrub,
}

impl fmt::Debug for QuietUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuietUpload").finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl MultipartUpload for QuietUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let scrub = self.scrub.clone();
        let part = self.inner.put_part(data);
        part.map(move |p| p.map_err(|e| scrub.error(e))).boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let completed = self.inner.complete().await;
        completed.map_err(|e| self.scrub.error(e))
    }

    async fn abort(&mut self) -> Result<()> {
        let aborted = self.inner.abort().await;
        aborted.map_err(|e| self.scrub.error(e))
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    fn quiet(secrets: Vec<String>) -> Quiet<InMemory> {
        Quiet::new(
            InMemory::new(),
            InMemory::new(),
            Patience::default(),
            "S3",
            secrets,
        )
    }

    #[test]
    fn only_failures_that_may_pass_are_tried_again() {
        let generic = |text: &str| Error::Generic {
            store: "S3",
            source: text.to_string().into(),
        };
        for (text, again) in [
            (
                "Server returned non-2xx status code: 503 Service Unavailable: ",
                true,
            ),
            (
                "Server returned non-2xx status code: 429 Too Many Requests: ",
                true,
            ),
            ("connection closed before message completed", true),
            (
                "Server returned non-2xx status code: 501 Not Implemented: ",
                false,
            ),
            (
                "Server returned non-2xx status code: 400 Bad Request: ",
                false,
            ),
        ] {
            assert_eq!(is_transient(&generic(text)), again, "{text}");
        }
    }

    #[test]
    fn secrets_are_taken_out_of_errors_and_their_kind_is_kept() {
        let quiet = quiet(vec!["AKIA1".into(), String::new()]);
        let error = quiet.scrub.error(Error::PermissionDenied {
            path: "p".into(),
            source: "<AWSAccessKeyId>AKIA1</AWSAccessKeyId>".into(),
        });
        assert!(matches!(error, Error::PermissionDenied { .. }));
        for text in [
            error.to_string(),
            format!("{error:?}"),
            format!("{quiet:?}"),
        ] {
            assert!(!text.contains("AKIA1"), "{text}");
        }
    }

    #[test]
    fn a_missing_bucket_is_no_missing_file() {
        let quiet = quiet(Vec::new());
        let missing = |body: &str| {
            quiet.scrub.error(Error::NotFound {
                path: "p".into(),
                source: body.into(),
            })
        };
        assert!(matches!(
            missing("<Code>NoSuchKey</Code>"),
            Error::NotFound { .. }
        ));
        let error = missing("<Code>NoSuchBucket</Code>");
        assert!(error.to_string().contains("does not exist"), "{error}");
    }
}
