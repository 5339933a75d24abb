//! Whose folder of spilled rows it is. A process that was killed leaves its folder behind; the next one that spills
//! removes it.
//!
//! ```text
//! paimon-spill-<id>.lock   locked as long as the owner lives
//! paimon-spill-<id>/       its runs
//! ```
//! The lock goes with the process, however it ends. Folders on file systems without locks stay.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

const PREFIX: &str = "paimon-spill-";
const LOCK: &str = "lock";
/// So often a new lock file may be taken for one that was left behind, and removed, before its owner has locked it.
const ATTEMPTS: usize = 10;

/// A folder for spilled rows, and the lock that says that it is in use. Both go with it.
#[derive(Debug)]
pub(super) struct OwnedFolder {
    folder: PathBuf,
    /// `None` once it is given up.
    lock: Option<File>,
}

impl OwnedFolder {
    /// Path of the folder with this id.
    pub fn path(parent: &Path, id: &str) -> PathBuf {
        parent.join(format!("{PREFIX}{id}"))
    }

    /// Makes a folder at such a path, after those beside it whose owners are gone were removed.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn make(folder: &Path) -> io::Result<Self> {
        if let Some(parent) = folder.parent() {
            std::fs::create_dir_all(parent)?;
            remove_stale(parent);
        }
        let owned = Self {
            lock: Some(locked(&lock_of(folder))?),
            folder: folder.to_path_buf(),
        };
        make_private(folder)?;
        Ok(owned)
    }
}

impl Drop for OwnedFolder {
    fn drop(&mut self) {
        if let Err(error) = removed(std::fs::remove_dir_all(&self.folder)) {
            tracing::warn!(path = %self.folder.display(), %error, "could not remove spilled rows");
        }
        // some systems do not remove files that are open
        drop(self.lock.take());
        let lock = lock_of(&self.folder);
        if let Err(error) = removed(std::fs::remove_file(&lock)) {
            tracing::warn!(path = %lock.display(), %error, "could not remove a lock file");
        }
    }
}

/// What is gone already needs no removal.
fn removed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn lock_of(folder: &Path) -> PathBuf {
    folder.with_extension(LOCK)
}

/// A new lock file, locked.
fn locked(path: &Path) -> io::Result<File> {
    for _ in 0..ATTEMPTS {
        let file = new_private(path)?;
        if let Err(error) = file.lock() {
            // nobody can tell then that the owner is gone, so the folder will never be taken for stale
            tracing::debug!(path = %path.display(), %error, "file systems without locks keep stale folders");
            return Ok(file);
        }
        if path.try_exists()? {
            return Ok(file);
        }
    }
    Err(io::Error::other(
        "a lock file is removed by others over and over",
    ))
}

/// Removes the folders in `parent` whose owners are gone. What cannot be removed stays: it may be another user's.
fn remove_stale(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = |n: &str| n.starts_with(PREFIX) && n.ends_with(&format!(".{LOCK}"));
        if !name.to_str().is_some_and(ours) {
            continue;
        }
        let path = entry.path();
        let Ok(lock) = File::open(&path) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            tracing::info!(path = %path.display(), "spilled rows of a process that is gone are removed");
            drop(OwnedFolder {
                folder: path.with_extension(""),
                lock: Some(lock),
            });
        }
    }
}

/// A new file that others cannot open, and so not lock.
fn new_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a folder that others cannot look into: it will hold rows of a table.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    fn names(parent: &Path) -> BTreeSet<String> {
        let entries = std::fs::read_dir(parent).unwrap();
        let name = |e: io::Result<std::fs::DirEntry>| e.unwrap().file_name().into_string().unwrap();
        entries.map(name).collect()
    }

    /// What a killed process leaves: a folder and a lock file that nobody holds.
    fn leave(parent: &Path, id: &str) {
        let folder = OwnedFolder::path(parent, id);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("run-0.arrow"), "rows").unwrap();
        File::create(lock_of(&folder)).unwrap();
    }

    #[test]
    fn a_new_folder_takes_the_place_of_those_whose_owners_are_gone() {
        let temp = tempfile::tempdir().unwrap();
        let parent = temp.path();
        let alive = OwnedFolder::make(&OwnedFolder::path(parent, "alive")).unwrap();
        leave(parent, "dead");
        File::create(parent.join("paimon-spill-never-made.lock")).unwrap();
        std::fs::create_dir(parent.join("paimon-spill-without-lock")).unwrap();
        std::fs::write(parent.join("other.lock"), "").unwrap();
        let new = OwnedFolder::make(&OwnedFolder::path(parent, "new")).unwrap();
        let expected = [
            "other.lock",
            "paimon-spill-alive",
            "paimon-spill-alive.lock",
            "paimon-spill-new",
            "paimon-spill-new.lock",
            "paimon-spill-without-lock",
        ];
        assert_eq!(names(parent), expected.map(String::from).into());
        drop(alive);
        drop(new);
        assert_eq!(names(parent).len(), 2);
    }

    #[test]
    fn folders_made_at_once_do_not_take_each_others_place() {
        let temp = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let parent = temp.path();
                scope.spawn(move || {
                    for n in 0..40 {
                        let folder = OwnedFolder::path(parent, &format!("{thread}-{n}"));
                        let owned = OwnedFolder::make(&folder).unwrap();
                        std::fs::write(folder.join("run"), "rows").unwrap();
                        std::thread::yield_now();
                        assert_eq!(std::fs::read(folder.join("run")).unwrap(), b"rows");
                        drop(owned);
                    }
                });
            }
        });
        assert_eq!(names(temp.path()).len(), 0);
    }
}
