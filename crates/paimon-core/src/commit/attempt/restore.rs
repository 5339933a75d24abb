//! The state of an earlier snapshot as the newest one.
//!
//! The manifests of such a snapshot are written anew from what is live: an entry that removed a file before must not stand
//! beside the one that brings it back, as readers let removals win over additions in any order. Source:
//! `FileStoreCommitImpl.rollbackToAsLatest`.

use std::collections::HashSet;

use crate::commit::changes::Changes;
use crate::manifest::FileIdentifier;
use crate::spec::{FileKind, ManifestEntry, Snapshot};

/// What leads from some live files to others.
pub(super) fn changes(live: &[ManifestEntry], target: &[ManifestEntry]) -> Changes {
    let known: HashSet<_> = live.iter().map(FileIdentifier::of).collect();
    let wanted: HashSet<_> = target.iter().map(FileIdentifier::of).collect();
    let gone = live
        .iter()
        .filter(|e| !wanted.contains(&FileIdentifier::of(e)));
    let gone = gone.map(|entry| ManifestEntry {
        kind: FileKind::Delete,
        ..entry.clone()
    });
    let back = target
        .iter()
        .filter(|e| !known.contains(&FileIdentifier::of(e)));
    Changes {
        entries: gone.chain(back.cloned()).collect(),
        ..Changes::default()
    }
}

/// Gives a snapshot whose files are those of another what else tells of them. Ids of rows are never given twice, so the
/// next one stays the largest.
pub(super) fn take_over(snapshot: &mut Snapshot, target: &Snapshot) {
    snapshot.schema_id = target.schema_id;
    snapshot.index_manifest = target.index_manifest.clone();
    if target.total_record_count.is_some() {
        snapshot.total_record_count = target.total_record_count;
    }
    snapshot.watermark = target.watermark;
    snapshot.statistics = target.statistics.clone();
    snapshot.properties = target.properties.clone();
    snapshot.next_row_id = snapshot.next_row_id.max(target.next_row_id);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::testing::{add, delete};

    #[test]
    fn files_that_are_missing_come_back_and_others_go() {
        let live = [add("a"), add("b")];
        let target = [add("b"), add("c")];
        let found = changes(&live, &target);
        assert_eq!(found.entries, [delete("a"), add("c")]);
        assert!(changes(&live, &live).is_empty());
    }
}
