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
        let location = location(text)?;
        let store = &location[url::Position::BeforeScheme..url::Position::BeforePath];
        let url = ObjectStoreUrl::parse(store)?;
        Ok(Self {
            text: text.to_string(),
            store: session.context().runtime_env().object_store(&url)?,
            url,
            path: Path::from_url_path(location.path()).map_err(|e| malformed(text, &e))?,
        })
    }

    /// The folder as a URL.
    pub(super) fn folder_url(&self) -> Result<String> {
        let mut url = Url::parse(self.url.as_str())
            .map_err(|e| DataFusionError::Internal(format!("a store has no URL: {e}")))?;
        let parts = self.path.parts();
        let parts: Vec<String> = parts.map(|p| percent_encoded(p.as_ref())).collect();
        url.set_path(&match parts.is_empty() {
            true => "/".to_string(),
            false => format!("/{}/", parts.join("/")),
        });
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

    /// All files below the folder, but those that links lead to.
    pub(super) async fn all_files(&self) -> Result<Vec<ObjectMeta>> {
        let mut files: Vec<ObjectMeta> = self.store.list(Some(&self.path)).try_collect().await?;
        if let Some(folder) = self.resolved() {
            let own = std::path::PathBuf::from(format!("/{}", self.path));
            let folder = std::path::PathBuf::from(format!("/{folder}"));
            files.retain(|file| lies_in(&file.location, &own, &folder));
        }
        Ok(files)
    }

    /// Whether this is all of a store.
    pub(super) fn is_root(&self) -> bool {
        self.path.parts().next().is_none()
    }

    /// Deletes files; those that are gone already are fine.
    ///
    /// # Errors
    /// When the store fails: the others are still there.
    pub(super) async fn remove(&self, files: &[ObjectMeta]) -> Result<()> {
        for file in files {
            match self.store.delete(&file.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(e) => {
                    let error = DataFusionError::from(e);
                    return Err(error.context(
                        "the new files are complete, but not all that were there before are removed",
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether the folder, or one around it, is that of a Paimon table. A folder around it that cannot be listed, as one
    /// may be denied, counts as none.
    pub(super) async fn is_in_table(&self) -> Result<bool> {
        let paths = std::iter::once(self.path.clone()).chain(self.resolved());
        for path in paths {
            let parts: Vec<_> = path.parts().collect();
            for count in (0..=parts.len()).rev() {
                let folder: Path = parts.iter().take(count).cloned().collect();
                match self.is_table(&folder).await {
                    Ok(true) => return Ok(true),
                    Ok(false) => {}
                    Err(error) if count < parts.len() => {
                        tracing::debug!(%error, %folder, "a folder around the target is not listed");
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(false)
    }

    async fn is_table(&self, folder: &Path) -> object_store::Result<bool> {
        let schemas = folder.clone().join("schema");
        let schemas = self.store.list_with_delimiter(Some(&schemas)).await?;
        let mut names = schemas.objects.iter().filter_map(|o| o.location.filename());
        Ok(names.any(is_schema))
    }

    /// A local path without links, as far as its folders are there.
    fn resolved(&self) -> Option<Path> {
        if !self.url.as_str().starts_with("file:") {
            return None;
        }
        let path = std::path::PathBuf::from(format!("/{}", self.path));
        let mut there = path.ancestors().filter_map(|folder| {
            let real = folder.canonicalize().ok()?;
            Some(real.join(path.strip_prefix(folder).ok()?))
        });
        Path::from_absolute_path(there.next()?).ok()
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

/// The URL of a local path or a URL.
///
/// # Errors
/// `InvalidInput` for a malformed one; `Unsupported` for one with more than a store and a path: it may hold a secret, which
/// is not repeated.
pub(super) fn location(text: &str) -> Result<Url> {
    let is_scheme = |s: &str| {
        s.chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    let location = match (Url::parse(text), text.split_once("://")) {
        (Ok(url), _) => url,
        (Err(e), Some((scheme, _))) if is_scheme(scheme) => {
            return Err(malformed(&format!("{scheme}://.."), &e));
        }
        (Err(_), _) => {
            let absolute = std::path::absolute(text).map_err(|e| malformed(text, &e))?;
            return Url::from_file_path(&absolute)
                .map_err(|()| malformed(text, &"the path cannot be written as a URL"));
        }
    };
    let shown = format!(
        "{}://{}",
        location.scheme(),
        location.host_str().unwrap_or_default()
    );
    if location.cannot_be_a_base() {
        return Err(malformed(&shown, &"the URL has no path"));
    }
    let part = if !location.username().is_empty() || location.password().is_some() {
        "user info"
    } else if location.query().is_some() {
        "a query string (in a path, ? is written %3F)"
    } else if location.fragment().is_some() {
        "a fragment (in a path, # is written %23)"
    } else {
        return Ok(location);
    };
    Err(to_datafusion(
        Error::unsupported(format!("a URL with {part} is not supported")).with("store", shown),
    ))
}

/// Whether no link lies on the way from a folder of the local disk, `real` without links, to a file in it.
fn lies_in(file: &Path, folder: &std::path::Path, real: &std::path::Path) -> bool {
    let file = std::path::PathBuf::from(format!("/{file}"));
    let inside = file.strip_prefix(folder).map(|inside| real.join(inside));
    inside.is_ok_and(|there| there.canonicalize().is_ok_and(|found| found == there))
}

fn malformed(text: &str, reason: &dyn std::fmt::Display) -> DataFusionError {
    to_datafusion(
        Error::invalid(format!("a local path or a URL is expected: {reason}")).with("path", text),
    )
}

/// A part of a path as URLs have it. [`Url::set_path`] leaves percent signs and backslashes as they stand.
fn percent_encoded(part: &str) -> String {
    let mut encoded = String::with_capacity(part.len());
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Whether a file is a schema of a table.
pub(super) fn is_of_table(file: &ObjectMeta) -> bool {
    let parts: Vec<_> = file.location.parts().collect();
    match parts.as_slice() {
        [.., folder, name] => folder.as_ref() == "schema" && is_schema(name.as_ref()),
        _ => false,
    }
}

/// Whether a file of a folder `schema` is a schema of a table.
fn is_schema(name: &str) -> bool {
    let id = name.strip_prefix("schema-").unwrap_or_default();
    !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())
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

    #[cfg(unix)]
    #[tokio::test]
    async fn files_behind_links_are_not_those_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("out/in [1]")).unwrap();
        std::fs::create_dir_all(root.join("other")).unwrap();
        for name in ["out/a.csv", "out/in [1]/b*.csv", "other/keep.csv"] {
            std::fs::write(root.join(name), "1").unwrap();
        }
        std::os::unix::fs::symlink(root.join("other"), root.join("out/link")).unwrap();
        std::os::unix::fs::symlink(root.join("other/keep.csv"), root.join("out/file")).unwrap();
        std::os::unix::fs::symlink(root.join("out"), root.join("target")).unwrap();
        for target in ["out", "target"] {
            let text = root.join(target).display().to_string();
            let place = Place::new(&PaimonSession::new(), &text).unwrap();
            let mut files: Vec<_> = place.all_files().await.unwrap();
            files.sort_by(|a, b| a.location.cmp(&b.location));
            let names: Vec<_> = files.iter().filter_map(|f| f.location.filename()).collect();
            assert_eq!(names, ["a.csv", "b*.csv"], "{target}");
            if target == "target" {
                place.remove(&files).await.unwrap();
            }
        }
        assert!(root.join("other/keep.csv").exists());
        assert!(!root.join("out/a.csv").exists());
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
        let folder = Place::new(&session, &place.folder_url().unwrap()).unwrap();
        assert_eq!(folder.path, place.path);
        let empty = Place::new(&session, &format!("{}/empty", root.display())).unwrap();
        assert!(empty.files(None).await.unwrap().is_empty());
        let none = Place::new(&session, &format!("{}/none", root.display())).unwrap();
        let error = none.files(None).await.unwrap_err().to_string();
        assert!(error.contains("neither"), "{error}");
        assert!(Place::new(&session, "nosuch://x/y").is_err());
    }

    #[test]
    fn names_of_folders_are_kept_in_urls() {
        let session = PaimonSession::new();
        for text in ["/a%20b/c", "/100%/é", "/a b?c#d", "/a\\b", "/"] {
            let place = Place::new(&session, text).unwrap();
            let url = place.folder_url().unwrap();
            let read = datafusion::datasource::listing::ListingTableUrl::parse(&url).unwrap();
            assert_eq!(read.prefix(), &place.path, "{text}: {url}");
            assert!(url.ends_with('/') && read.get_glob().is_none(), "{url}");
        }
    }

    #[test]
    fn secrets_of_urls_are_refused_and_not_repeated() {
        for (text, named) in [
            ("s3://user:hush@bucket/x", "s3://bucket"),
            ("s3://hush@bucket/x", "user info"),
            ("https://host/x?sig=hush", "query string"),
            ("file:///x#hush", "fragment"),
            ("s3://user:hush@/x", "s3://"),
            ("s3:hush@bucket/x", "s3://"),
        ] {
            let error = location(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
            assert!(!error.contains("hush"), "{error}");
            assert!(Place::new(&PaimonSession::new(), text).is_err(), "{text}");
        }
        assert!(location("/a?b#c@d").is_ok());
    }

    #[tokio::test]
    async fn folders_of_tables_are_known_by_their_schemas() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (table, file) in [("t", "schema-0"), ("other", "schema-registry.json")] {
            std::fs::create_dir_all(root.join(table).join("schema")).unwrap();
            std::fs::write(root.join(table).join("schema").join(file), "{}").unwrap();
        }
        let session = PaimonSession::new();
        let is_in_table = async |path: &std::path::Path| {
            let place = Place::new(&session, &path.display().to_string()).unwrap();
            place.is_in_table().await.unwrap()
        };
        assert!(is_in_table(&root.join("t")).await);
        assert!(is_in_table(&root.join("t/new/deep")).await);
        assert!(!is_in_table(&root.join("other/out")).await);
        #[cfg(unix)]
        {
            std::fs::create_dir(root.join("t/inside")).unwrap();
            std::os::unix::fs::symlink(root.join("t/inside"), root.join("link")).unwrap();
            assert!(is_in_table(&root.join("link/new")).await);
        }
    }
}
