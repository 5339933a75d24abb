//! File indexes are Java's, byte for byte where Java's order is defined.

use std::collections::BTreeMap;
use std::path::Path;

use arrow_array::RecordBatch;
use futures::TryStreamExt;
use paimon_core::format::{FileReadRequest, read_file};
use paimon_core::io::FileIo;
use paimon_core::spec::TableSchema;
use paimon_core::table::Table;
use rstest::rstest;

use super::publish::create;
use crate::golden::catalogue;

/// Rows of a data file, in order.
async fn file_rows(table: &Table, path: &Path) -> Vec<RecordBatch> {
    let request = FileReadRequest {
        file: table.io().open(path.to_str().unwrap()).await.unwrap(),
        fields: table.schema().fields.clone(),
        selection: None,
        row_range: None,
        predicate: None,
        batch_size: 100,
        step_bytes: paimon_core::format::DEFAULT_STEP_BYTES,
        with_position: false,
    };
    read_file(request)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap()
}

/// Indexes of a container by column and type.
fn bodies(container: &[u8]) -> BTreeMap<(String, String), Vec<u8>> {
    let int = |at: usize| -> usize {
        let word: [u8; 4] = container[at..at + 4].try_into().unwrap();
        usize::try_from(i32::from_be_bytes(word)).unwrap()
    };
    let text = |at: usize| -> (String, usize) {
        let len = usize::from(u16::from_be_bytes([container[at], container[at + 1]]));
        let bytes = container[at + 2..at + 2 + len].to_vec();
        (String::from_utf8(bytes).unwrap(), at + 2 + len)
    };
    let mut out = BTreeMap::new();
    let mut at = 20;
    for _ in 0..int(16) {
        let (column, next) = text(at);
        at = next + 4;
        for _ in 0..int(next) {
            let (index_type, next) = text(at);
            let (start, len) = (int(next), int(next + 4));
            out.insert(
                (column.clone(), index_type),
                container[start..start + len].to_vec(),
            );
            at = next + 8;
        }
    }
    out
}

#[rstest]
#[case("index-bloom-filter")]
#[case("index-bitmap")]
#[case("index-bsi")]
#[case("index-range-bitmap")]
#[tokio::test]
async fn rewritten_files_have_the_index_that_java_wrote(#[case] name: &str) {
    let golden = catalogue().canonicalize().unwrap().join(name).join("table");
    let location = golden.to_str().unwrap();
    let source = Table::open(FileIo::for_location(location).unwrap(), location, "t")
        .await
        .unwrap();
    let mut compared = 0;
    for entry in std::fs::read_dir(golden.join("bucket-0")).unwrap() {
        let index = entry.unwrap().path();
        if index.extension().is_none_or(|e| e != "index") {
            continue;
        }
        let temp = tempfile::tempdir().unwrap();
        let schema = TableSchema {
            id: 0,
            ..TableSchema::clone(source.schema())
        };
        let copy = create(temp.path(), &schema).await;
        let mut write = copy.new_write().unwrap();
        for batch in file_rows(&source, &index.with_extension("")).await {
            write.write(&batch).await.unwrap();
        }
        let messages = write.prepare_commit().await.unwrap();
        let file = &messages[0].data.new_files[0];
        let ours = temp.path().join("bucket-0").join(&file.extra_files[0]);
        assert_eq!(file.extra_files[0], format!("{}.index", file.file_name));
        let (ours, java) = (std::fs::read(ours).unwrap(), std::fs::read(&index).unwrap());
        let (ours, java) = (bodies(&ours), bodies(&java));
        assert_eq!(
            ours.keys().collect::<Vec<_>>(),
            java.keys().collect::<Vec<_>>()
        );
        for (column, body) in &java {
            // the bitmaps of a bitmap index lie in the order of a Java hash map
            let same = match column.1.as_str() {
                "bitmap" => ours[column].len() == body.len(),
                _ => ours[column] == *body,
            };
            assert!(same, "{column:?}: {}", hex::encode(body));
            compared += 1;
        }
    }
    assert!(compared > 0);
}
