//! Where files lie: folders and files of the stores that DataFusion's external tables know.

use std::sync::Arc;

use arrow::array::StringArray;
use arrow::compute::regexp_is_match_scalar;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use paimon_core::{Error, ErrorKind};
use url::Url;

use crate::error::to_datafusion;
use crate::session::PaimonSession;

/// A folder or file of a store.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// As it was given.
    pub(super) text: String,
    pub(super) store: Arc<dyn ObjectStore>,
    /// Name of the store.
    pub(super) url: ObjectStoreUrl,
    path: Path,
}

/// A file to load.
#[derive(Debug, Clone)]
pub(super) struct SourceFile {
    /// Base name.
    pub(super) name: String,
    pub(super) meta: ObjectMeta,
    /// The path as Hadoop writes it: what load histories name.
    pub(super) hadoop_path: String,
}

impl Place {
    /// # Errors
    /// `InvalidInput` for a malformed path; when the session has no store for it.
    pub(super) fn new(session: &PaimonSession, text: &str) -> Result<Self> {
        let malformed = |e: &dyn std::fmt::Display| {
            to_datafusion(
                Error::invalid(format!("a local path or a URL is expected: {e}"))
                    .with("path", text),
            )
        };
        let location = match Url::parse(text) {
            Ok(url) => url,
            Err(_) => {
                let absolute = std::path::absolute(text).map_err(|e| malformed(&e))?;
                Url::from_file_path(&absolute)
                    .map_err(|()| malformed(&"the path cannot be written as a URL"))?
            }
        };
        let store = &location[url::Position::BeforeScheme..url::Position::BeforePath];
        let url = ObjectStoreUrl::parse(store)?;
        Ok(Self {
            text: text.to_string(),
            store: session.context().runtime_env().object_store(&url)?,
            url,
            path: Path::from_url_path(location.path()).map_err(|e| malformed(&e))?,
        })
    }

    /// The folder as a URL.
    pub(super) fn folder_url(&self) -> Result<String> {
        let mut url = Url::parse(self.url.as_str())
            .map_err(|e| DataFusionError::Internal(format!("a store has no URL: {e}")))?;
        let parts: Vec<String> = self.path.parts().map(|p| p.as_ref().to_string()).collect();
        url.set_path(&format!("/{}/", parts.join("/")));
        Ok(url.to_string())
    }

    /// Files of the folder, those of folders inside left out, or the file itself, sorted by name. Names that begin with
    /// `.` or `_` are no data.
    ///
    /// # Errors
    /// `NotFound` when there is nothing, `InvalidInput` for a malformed pattern.
    pub(super) async fn files(&self, pattern: Option<&str>) -> Result<Vec<SourceFile>> {
        let listed = self.store.list_with_delimiter(Some(&self.path)).await?;
        let mut metas = listed.objects;
        if metas.is_empty() && listed.common_prefixes.is_empty() {
            match self.store.head(&self.path).await {
                Ok(meta) => metas.push(meta),
                Err(object_store::Error::NotFound { .. }) if !self.is_local_folder() => {
                    return Err(to_datafusion(
                        Error::new(ErrorKind::NotFound, "there is neither a folder nor a file")
                            .with("path", &self.text),
                    ));
                }
                Err(object_store::Error::NotFound { .. }) => {}
                Err(e) if self.is_local_folder() => {
                    tracing::debug!(error = %e, "an empty folder is no file");
                }
                Err(e) => return Err(e.into()),
            }
        }
        let mut files: Vec<SourceFile> = metas
            .into_iter()
            .map(|meta| self.source(meta))
            .filter(|file| !file.name.starts_with(['.', '_']))
            .collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        match pattern {
            Some(pattern) => matching(files, pattern),
            None => Ok(files),
        }
    }

    /// All files below the folder.
    pub(super) async fn all_files(&self) -> Result<Vec<ObjectMeta>> {
        Ok(self.store.list(Some(&self.path)).try_collect().await?)
    }

    /// Whether the folder, or one around it, is that of a Paimon table.
    pub(super) async fn is_in_table(&self) -> Result<bool> {
        let parts: Vec<_> = self.path.parts().collect();
        for count in (1..=parts.len()).rev() {
            let folder: Path = parts.iter().take(count).cloned().collect();
            let schemas = folder.join("schema");
            let schemas = self.store.list_with_delimiter(Some(&schemas)).await?;
            let is_schema = |meta: &ObjectMeta| {
                let name = meta.location.filename().unwrap_or_default();
                name.starts_with("schema-")
            };
            if schemas.objects.iter().any(is_schema) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Path of a file from the folder on.
    pub(super) fn relative(&self, meta: &ObjectMeta) -> String {
        let parts = meta.location.prefix_match(&self.path);
        let parts = parts.into_iter().flatten();
        let parts: Vec<String> = parts.map(|p| p.as_ref().to_string()).collect();
        parts.join("/")
    }

    /// Whether there is such a folder on local disk, perhaps an empty one, which stores cannot list.
    fn is_local_folder(&self) -> bool {
        self.url.as_str().starts_with("file:")
            && std::path::Path::new(&format!("/{}", self.path)).is_dir()
    }

    fn source(&self, meta: ObjectMeta) -> SourceFile {
        // Hadoop leaves the empty authority of local files out
        let store = self.url.as_str().trim_end_matches('/');
        SourceFile {
            name: meta.location.filename().unwrap_or_default().to_string(),
            hadoop_path: format!("{store}/{}", meta.location),
            meta,
        }
    }
}

/// The files in whose names a regular expression is found.
fn matching(files: Vec<SourceFile>, pattern: &str) -> Result<Vec<SourceFile>> {
    let names = StringArray::from_iter_values(files.iter().map(|f| &f.name));
    let found = regexp_is_match_scalar(&names, pattern, None).map_err(|e| {
        to_datafusion(
            Error::invalid("PATTERN must be a regular expression")
                .with("pattern", pattern)
                .with_source(e),
        )
    })?;
    let files = files.into_iter().zip(found.iter());
    Ok(files
        .filter(|(_, hit)| *hit == Some(true))
        .map(|(file, _)| file)
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(files: &[SourceFile]) -> Vec<&str> {
        files.iter().map(|f| f.name.as_str()).collect()
    }

    #[tokio::test]
    async fn a_folder_gives_its_own_files_and_a_file_itself() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("in [1] é/deep")).unwrap();
        std::fs::create_dir_all(root.join("empty")).unwrap();
        for name in ["b.csv", "a*.csv", "_SUCCESS", ".hidden", "deep/c.csv"] {
            std::fs::write(root.join("in [1] é").join(name), "1").unwrap();
        }
        let session = PaimonSession::new();
        let text = format!("{}/in [1] é", root.display());
        let place = Place::new(&session, &text).unwrap();
        let files = place.files(None).await.unwrap();
        assert_eq!(names(&files), ["a*.csv", "b.csv"]);
        assert_eq!(files[1].hadoop_path, format!("file:{text}/b.csv"));
        assert_eq!(names(&place.files(Some("^b")).await.unwrap()), ["b.csv"]);
        assert!(place.files(Some("(")).await.is_err());
        let one = Place::new(&session, &format!("{text}/a*.csv")).unwrap();
        assert_eq!(names(&one.files(None).await.unwrap()), ["a*.csv"]);
        let url = Url::from_directory_path(&text).unwrap().to_string();
        let same = Place::new(&session, &url).unwrap();
        assert_eq!(names(&same.files(None).await.unwrap()).len(), 2);
        assert_eq!(place.folder_url().unwrap(), url);
        let empty = Place::new(&session, &format!("{}/empty", root.display())).unwrap();
        assert!(empty.files(None).await.unwrap().is_empty());
        let none = Place::new(&session, &format!("{}/none", root.display())).unwrap();
        let error = none.files(None).await.unwrap_err().to_string();
        assert!(error.contains("neither"), "{error}");
        assert!(Place::new(&session, "nosuch://x/y").is_err());
    }
}
