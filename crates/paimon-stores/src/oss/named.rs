//! OpenDAL's store under the names of the files.
//!
//! OpenDAL takes paths as percent-encoded names and decodes them; here a path is the name as it is, `%` included: folders of
//! partitions have names such as `dt=a%2Fb`.

use std::fmt;
use std::ops::Range;

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use object_store_opendal::OpendalStore;
use opendal::ErrorKind;
use opendal::raw::percent_decode_path;

use crate::quiet::Permanent;

const KIND: &str = "OSS";

/// See the module.
pub(super) struct Named {
    inner: OpendalStore,
}

impl Named {
    pub(super) fn new(inner: OpendalStore) -> Self {
        Self { inner }
    }
}

/// The path that OpenDAL's store decodes to this one.
fn encoded(path: &Path) -> Path {
    Path::from(path.as_ref())
}

fn decoded(path: &Path) -> Result<Path> {
    Ok(Path::parse(percent_decode_path(path.as_ref()))?)
}

fn decoded_meta(meta: ObjectMeta) -> Result<ObjectMeta> {
    let location = decoded(&meta.location)?;
    Ok(ObjectMeta { location, ..meta })
}

/// Errors as the other stores have them: refusals by kind, and those that stay apart from those that pass.
fn told(error: Error) -> Error {
    let Error::Generic { source, .. } = error else {
        return error;
    };
    match source.downcast::<opendal::Error>() {
        Err(source) => Error::Generic {
            store: KIND,
            source,
        },
        Ok(source) if source.kind() == ErrorKind::PermissionDenied => Error::PermissionDenied {
            path: String::new(),
            source,
        },
        Ok(source) if source.is_temporary() => Error::Generic {
            store: KIND,
            source,
        },
        Ok(source) => Error::Generic {
            store: KIND,
            source: Box::new(Permanent(source.to_string())),
        },
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OSS({})", self.inner.info().name())
    }
}

#[async_trait::async_trait]
impl ObjectStore for Named {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let location = encoded(location);
        let put = self.inner.put_opts(&location, payload, opts);
        put.await.map_err(told)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let location = encoded(location);
        let upload = self.inner.put_multipart_opts(&location, opts).await;
        let inner = upload.map_err(told)?;
        Ok(Box::new(NamedUpload { inner }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let got = self.inner.get_opts(&encoded(location), options).await;
        let mut got = got.map_err(told)?;
        got.meta.location = location.clone();
        Ok(got)
    }

    async fn get_ranges(
        &self,
        location: &Path,
        ranges: &[Range<u64>],
    ) -> Result<Vec<bytes::Bytes>> {
        let got = self.inner.get_ranges(&encoded(location), ranges).await;
        got.map_err(told)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let locations = locations.map(|path| path.map(|path| encoded(&path)));
        let deleted = self.inner.delete_stream(locations.boxed());
        deleted.map(|path| decoded(&path.map_err(told)?)).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let listed = self.inner.list(prefix.map(encoded).as_ref());
        listed.map(|meta| decoded_meta(meta.map_err(told)?)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let inner = prefix.map(encoded);
        let listed = self.inner.list_with_delimiter(inner.as_ref()).await;
        let listed = listed.map_err(told)?;
        let folders = listed.common_prefixes.iter().map(decoded);
        let mut common_prefixes = folders.collect::<Result<Vec<_>>>()?;
        // the marker of the folder itself
        common_prefixes.retain(|folder| Some(folder) != prefix && !folder.as_ref().is_empty());
        let objects = listed.objects.into_iter().map(decoded_meta);
        Ok(ListResult {
            common_prefixes,
            objects: objects.collect::<Result<_>>()?,
        })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let (from, to) = (encoded(from), encoded(to));
        let copied = self.inner.copy_opts(&from, &to, options);
        copied.await.map_err(told)
    }
}

#[derive(Debug)]
struct NamedUpload {
    inner: Box<dyn MultipartUpload>,
}

#[async_trait::async_trait]
impl MultipartUpload for NamedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let part = self.inner.put_part(data);
        part.map(|part| part.map_err(told)).boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.inner.complete().await.map_err(told)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await.map_err(told)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_those_of_the_files() {
        for name in ["a/b c/d.parquet", "t/dt=a%2Fb/x~y", "t/k=100%25/ä", "plain"] {
            let path = Path::parse(name).unwrap();
            let given = encoded(&path);
            assert_eq!(percent_decode_path(given.as_ref()), name);
            assert_eq!(decoded(&given).unwrap(), path);
        }
    }

    #[test]
    fn failures_that_stay_are_told_apart() {
        let generic = |error: opendal::Error| {
            told(Error::Generic {
                store: "x",
                source: Box::new(error),
            })
        };
        let new = |kind| opendal::Error::new(kind, "said so");
        let refused = generic(new(ErrorKind::PermissionDenied));
        assert!(matches!(refused, Error::PermissionDenied { .. }));
        let is_permanent = |error| match error {
            Error::Generic { source, .. } => source.is::<Permanent>(),
            _ => false,
        };
        assert!(is_permanent(generic(new(ErrorKind::Unexpected))));
        let passing = new(ErrorKind::Unexpected).set_temporary();
        assert!(!is_permanent(generic(passing)));
    }
}
