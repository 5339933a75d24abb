//! A file of changes that survives crashes: what it holds beyond its progress is cut off when it is opened again.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use paimon_core::table::StreamProgress;
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};

/// The file and its progress, which lies beside it.
pub(super) struct OutputFile {
    file: BufWriter<File>,
    progress_path: PathBuf,
    progress: Option<Progress>,
}

/// How much of the file is complete, and the first snapshot that is not in there.
#[derive(Clone)]
struct Progress {
    bytes: u64,
    next_snapshot: i64,
    last_snapshot: Option<Arc<str>>,
}

impl OutputFile {
    /// Opens a file to append to, or makes it.
    pub(super) fn open(path: &Path) -> Outcome<Self> {
        let beside = |suffix: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let progress_path = beside(".progress");
        let progress = Progress::read(&progress_path)?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        let mut file = options.open(path).map_err(|e| unusable(path, &e))?;
        let there = file.metadata().map_err(|e| unusable(path, &e))?.len();
        let complete = progress.as_ref().map_or(0, |p| p.bytes);
        if there < complete || (progress.is_none() && there > 0) {
            return Err(Failure::usage(format!(
                "--output {}: the file has {there} bytes, its progress in {} knows of {complete}: remove both to begin \
                 anew",
                path.display(),
                progress_path.display()
            )));
        }
        file.set_len(complete)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .map_err(|e| unusable(path, &e))?;
        Ok(Self {
            file: BufWriter::new(file),
            progress_path,
            progress,
        })
    }

    /// What an earlier run wrote.
    pub(super) fn progress(&self) -> Option<StreamProgress> {
        self.progress.as_ref().map(|p| StreamProgress {
            next_snapshot: p.next_snapshot,
            watermark: None,
            last_snapshot: p.last_snapshot.clone(),
        })
    }

    /// Whether the file holds rows.
    pub(super) fn has_rows(&self) -> bool {
        self.progress.as_ref().is_some_and(|p| p.bytes > 0)
    }

    pub(super) fn writer(&mut self) -> &mut dyn Write {
        &mut self.file
    }

    /// Everything before the next snapshot was written: from now on it stays.
    pub(super) fn complete(&mut self, progress: &StreamProgress) -> Outcome {
        let kept = self.sync(progress);
        kept.map_err(|e| unusable(&self.progress_path, &e))
    }

    fn sync(&mut self, progress: &StreamProgress) -> std::io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_data()?;
        let progress = Progress {
            bytes: self.file.stream_position()?,
            next_snapshot: progress.next_snapshot,
            last_snapshot: progress.last_snapshot.clone(),
        };
        let mut partial = self.progress_path.as_os_str().to_owned();
        partial.push(".tmp");
        let mut new = File::create(&partial)?;
        new.write_all(progress.to_json().to_string().as_bytes())?;
        new.sync_all()?;
        std::fs::rename(&partial, &self.progress_path)?;
        self.progress = Some(progress);
        Ok(())
    }
}

impl Progress {
    fn read(path: &Path) -> Outcome<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(unusable(path, &e)),
        };
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        match (value["bytes"].as_u64(), value["nextSnapshot"].as_i64()) {
            (Some(bytes), Some(next_snapshot)) => Ok(Some(Self {
                bytes,
                next_snapshot,
                last_snapshot: value["lastSnapshot"].as_str().map(Into::into),
            })),
            _ => Err(Failure::usage(format!(
                "{}: no progress of `paimon follow`",
                path.display()
            ))),
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "bytes": self.bytes,
            "nextSnapshot": self.next_snapshot,
            "lastSnapshot": self.last_snapshot.as_deref(),
        })
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("--output {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn write(file: &mut OutputFile, text: &str, next_snapshot: i64) {
        file.writer().write_all(text.as_bytes()).unwrap();
        let progress = StreamProgress {
            next_snapshot,
            watermark: None,
            last_snapshot: None,
        };
        assert!(file.complete(&progress).is_ok());
    }

    #[test]
    fn what_was_not_completed_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let Ok(mut file) = OutputFile::open(&path) else {
            panic!("not opened");
        };
        assert!(file.progress().is_none() && !file.has_rows());
        write(&mut file, "a\n", 3);
        file.writer().write_all(b"half of").unwrap();
        file.writer().flush().unwrap();
        drop(file);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\nhalf of");
        let Ok(mut file) = OutputFile::open(&path) else {
            panic!("not opened again");
        };
        assert_eq!(file.progress().unwrap().next_snapshot, 3);
        assert!(file.has_rows());
        write(&mut file, "b\n", 4);
        drop(file);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\nb\n");
    }

    #[test]
    fn files_of_others_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        std::fs::write(&path, "mine").unwrap();
        assert!(OutputFile::open(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        std::fs::write(folder.path().join("out.progress"), "[]").unwrap();
        assert!(OutputFile::open(&path).is_err());
    }
}
