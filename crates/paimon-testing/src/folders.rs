//! Copies of folders, such as golden tables that a test changes.

use std::io;
use std::path::Path;

use rand::Rng;

/// Where the table of `external-paths` says that some of its files are.
const EXTERNAL_FILES: &str = "/tmp/paimon-golden-external";

/// Copies a folder and all that is in it; files that are there already are replaced in one step.
///
/// # Errors
/// When the disk refuses.
pub fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if !target.exists() {
            std::fs::copy(entry.path(), target)?;
        } else {
            // others may be reading it
            let staged = to.join(format!(".{:x}.tmp", rand::rng().random::<u64>()));
            std::fs::copy(entry.path(), &staged)?;
            std::fs::rename(staged, target)?;
        }
    }
    Ok(())
}

/// Puts the files of a golden table that lie outside of it where its metadata says they are.
///
/// # Errors
/// When the disk refuses.
pub fn place_external_files(golden: &Path) -> io::Result<()> {
    let source = golden.join("external");
    match source.is_dir() {
        true => copy_folder(&source, Path::new(EXTERNAL_FILES)),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_copy_replaces_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        std::fs::create_dir_all(from.join("inner")).unwrap();
        for text in ["first", "second, which is longer"] {
            std::fs::write(from.join("inner/file"), text).unwrap();
            copy_folder(&from, &to).unwrap();
            assert_eq!(
                std::fs::read_to_string(to.join("inner/file")).unwrap(),
                text
            );
            assert_eq!(std::fs::read_dir(to.join("inner")).unwrap().count(), 1);
        }
    }
}
