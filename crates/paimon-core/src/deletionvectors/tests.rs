#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;

use super::*;
use crate::ErrorKind;
use crate::spec::DeletionVectorMeta;

const TWO: &str = "01000000185e43f2d03a300000010000000000010010000000020003 00c898f63d\
                   000000165e43f2d03a300000010000000000000010000000 0100fa2b5192";
const V1: &str = "01000000185e43f2d03a30000001000000000001001000000001000200c3366892";
const V2: &str =
    "0100000024d1d339640100000000000000000000003a30000001000000000001001000000001000200712fa6e8";

fn bytes(text: &str) -> Bytes {
    hex::decode(text.replace(' ', "")).unwrap().into()
}

fn meta(offset: i32, length: i32, cardinality: Option<i64>) -> DeletionVectorMeta {
    DeletionVectorMeta {
        data_file_name: "data-0.parquet".into(),
        offset,
        length,
        cardinality,
    }
}

fn read(file: &Bytes, meta: &DeletionVectorMeta) -> Result<DeletionVector> {
    let range = read_range_of(meta, file.len() as u64)?;
    let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
    decode_deletion_vector(&file.slice(range), meta, "index/index-0")
}

fn positions(vector: &DeletionVector) -> Vec<u64> {
    vector.iter().collect()
}

#[test]
fn vectors_of_java_decode() {
    let two = bytes(TWO);
    assert_eq!(two.len(), 63);
    let first = read(&two, &meta(1, 24, Some(2))).unwrap();
    assert_eq!(positions(&first), [2, 3]);
    let second = read(&two, &meta(33, 22, None)).unwrap();
    assert_eq!(positions(&second), [1]);
    for (text, length) in [(V1, 24), (V2, 44)] {
        let vector = read(&bytes(text), &meta(1, length, Some(2))).unwrap();
        assert_eq!(positions(&vector), [1, 2]);
        let left = vector.to_selection(4);
        assert_eq!((left.rows(), left.selected()), (4, 2));
        assert!(vector.check_row_count(3).is_ok());
        assert!(vector.check_row_count(2).is_err());
    }
}

#[test]
fn vectors_encode_to_javas_bytes() {
    use DeletionVectorVersion as Version;
    for (version, text, length) in [(Version::V1, V1, 24), (Version::V2, V2, 44)] {
        let vector: DeletionVector = [1, 2].into_iter().collect();
        let vectors = vec![("data-0.parquet".to_string(), vector)];
        let (file, metas) = encode_deletion_vectors(vectors, version).unwrap();
        assert_eq!(Bytes::from(file), bytes(text));
        assert_eq!(metas, [meta(1, length, Some(2))]);
    }
}

#[test]
fn long_vectors_survive_both_layouts() {
    let vectors: Vec<(String, DeletionVector)> = vec![
        ("a".into(), (0..200_000).collect()),
        ("b".into(), (0..200_000).filter(|i| i % 3 == 0).collect()),
        ("c".into(), DeletionVector::new()),
    ];
    for version in [DeletionVectorVersion::V1, DeletionVectorVersion::V2] {
        let (file, metas) = encode_deletion_vectors(vectors.clone(), version).unwrap();
        let file = Bytes::from(file);
        for (meta, (_, vector)) in metas.iter().zip(&vectors) {
            assert_eq!(&read(&file, meta).unwrap(), vector);
        }
    }
    let wide: DeletionVector = [7, 3 << 32].into_iter().collect();
    let one = vec![("w".to_string(), wide.clone())];
    assert!(encode_deletion_vectors(one.clone(), DeletionVectorVersion::V1).is_err());
    let (file, metas) = encode_deletion_vectors(one, DeletionVectorVersion::V2).unwrap();
    assert_eq!(read(&file.into(), &metas[0]).unwrap(), wide);
}

#[test]
fn every_changed_byte_is_noticed() {
    for (text, length) in [(V1, 24), (V2, 44)] {
        let good = bytes(text);
        for at in 1..good.len() {
            let mut bad = good.to_vec();
            bad[at] ^= 0x41;
            let error = read(&bad.into(), &meta(1, length, None)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged);
        }
        for end in 0..good.len() {
            assert!(read(&good.slice(..end), &meta(1, length, None)).is_err());
        }
        assert!(read(&good, &meta(1, length, Some(3))).is_err());
        assert!(read(&good, &meta(1, length - 1, None)).is_err());
        assert!(read(&good, &meta(-1, length, None)).is_err());
        assert!(read(&good, &meta(i32::MAX, i32::MAX, None)).is_err());
    }
}

#[test]
fn absurd_counts_are_refused_without_allocating() {
    let mut data = MAGIC_64.to_le_bytes().to_vec();
    data.extend_from_slice(&i64::MAX.to_le_bytes());
    let mut file = i32::try_from(data.len()).unwrap().to_be_bytes().to_vec();
    file.extend_from_slice(&data);
    file.extend_from_slice(&crc32fast::hash(&data).to_be_bytes());
    let meta = meta(0, i32::try_from(file.len()).unwrap(), None);
    assert!(read(&file.into(), &meta).is_err());
}
