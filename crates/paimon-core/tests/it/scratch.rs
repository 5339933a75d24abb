use std::collections::HashMap;
use std::sync::Arc;
use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use paimon_core::commit::Overwrite;
use paimon_core::io::FileIo;
use paimon_core::table::Table;
use paimon_core::spec::Datum;
use paimon_core::maintenance::*;

#[tokio::test]
async fn scratch() {
    let Ok(dir) = std::env::var("SCRATCH") else { return };
    let io = FileIo::for_location(&dir).unwrap();
    for op in std::env::var("OPS").unwrap().split(';') {
        let table = Table::open(io.clone(), &dir, "t").await.unwrap();
        let words: Vec<&str> = op.split_whitespace().collect();
        let batch = |from: i32, n: i32, p: &str| {
            let id: ArrayRef = Arc::new(Int32Array::from((from..from + n).collect::<Vec<_>>()));
            let v: ArrayRef = Arc::new(arrow_cast::cast(&StringArray::from(vec![p; n as usize]), table.arrow_schema().field(1).data_type()).unwrap());
            RecordBatch::try_new(table.arrow_schema(), vec![id, v]).unwrap()
        };
        let msgs = async |b: RecordBatch| { let mut w = table.new_write().unwrap(); w.write(&b).await.unwrap(); w.prepare_commit().await.unwrap() };
        let commit = table.new_commit().with_property("k", "v").with_watermark(5);
        match words[0] {
            "append" => { let m = msgs(batch(words[1].parse().unwrap(), words[2].parse().unwrap(), words[3])).await; println!("{:?}", commit.commit(i64::MAX, m).await.unwrap()); }
            "overwrite" => { let m = msgs(batch(words[1].parse().unwrap(), words[2].parse().unwrap(), words[3])).await; println!("{:?}", commit.overwrite(Overwrite::Dynamic, i64::MAX, m).await.unwrap()); }
            "drop" => { println!("{:?}", commit.drop_partitions(vec![vec![("p".into(), Some(Datum::String(words[1].into())))]], i64::MAX).await.unwrap()); }
            "truncate" => { println!("{:?}", commit.truncate(i64::MAX).await.unwrap()); }
            "tag" => { create_tag(&table, &NewTag { name: words[1].into(), snapshot_id: None, time_retained_ms: words.get(2).map(|n| n.parse().unwrap()), ..Default::default() }, 1_700_000_000_123).await.unwrap(); }
            "expire" => { let e = ExpireSnapshots { retain_min: Some(words[1].parse().unwrap()), retain_max: Some(words[1].parse().unwrap()), ..Default::default() }; println!("{:?}", e.run(&table, i64::MAX/2).await.unwrap()); }
            "fsck" => println!("{:?}", fsck::fsck(&table).await.unwrap()),
            other => panic!("{other}"),
        }
        let _: HashMap<(), ()> = HashMap::new();
    }
}
