#![allow(clippy::unwrap_used)]
use bytes::Bytes;

use super::*;
use crate::ErrorKind;

const LONGS: &str = r#"{"type":"record","name":"r","fields":[{"name":"n","type":"long"}]}"#;
const CODECS: [Codec; 5] = [
    Codec::Null,
    Codec::Deflate,
    Codec::Bzip2,
    Codec::Snappy,
    Codec::Zstandard { level: 1 },
];

fn longs(codec: Codec, count: i64) -> Bytes {
    let mut writer = ContainerWriter::new(LONGS, codec);
    for n in 0..count {
        writer.append(|out| put_long(out, n)).unwrap();
    }
    writer.finish().unwrap().into()
}

fn read_longs(file: &Bytes) -> crate::Result<Vec<i64>> {
    let header = Header::parse(file)?;
    let mut out = Vec::new();
    for block in Blocks::new(&header, file) {
        let block = block?;
        let mut cursor = Cursor::new(&block.data);
        for _ in 0..block.rows {
            out.push(cursor.long()?);
        }
    }
    Ok(out)
}

#[test]
fn integers_are_zigzag_varints() {
    for (value, bytes) in [
        (0, "00"),
        (-1, "01"),
        (1, "02"),
        (-64, "7f"),
        (64, "8001"),
        (i64::MAX, "feffffffffffffffff01"),
        (i64::MIN, "ffffffffffffffffff01"),
    ] {
        let mut out = Vec::new();
        put_long(&mut out, value);
        assert_eq!(hex::encode(&out), bytes);
        assert_eq!(Cursor::new(&out.into()).long().unwrap(), value);
    }
    let endless = Bytes::from_static(&[0xff; 11]);
    assert!(Cursor::new(&endless).long().is_err());
}

#[test]
fn every_codec_reads_back_many_blocks() {
    for codec in CODECS {
        let file = longs(codec, 100_000);
        assert_eq!(
            read_longs(&file).unwrap(),
            (0..100_000).collect::<Vec<_>>(),
            "{codec:?}"
        );
    }
}

#[test]
fn equal_content_gives_equal_files() {
    assert_eq!(longs(Codec::default(), 1000), longs(Codec::default(), 1000));
}

#[test]
fn file_cut_anywhere_is_an_error() {
    for codec in CODECS {
        let file = longs(codec, 50);
        let header = Header::parse(&file).unwrap().length;
        for end in 0..file.len() {
            let cut = file.slice(..end);
            // Cut right after the header it is a valid empty file.
            assert_eq!(read_longs(&cut).is_ok(), end == header, "{codec:?} {end}");
        }
    }
}

#[test]
fn wrong_sync_marker_is_damaged() {
    let mut file = longs(Codec::Null, 5).to_vec();
    *file.last_mut().unwrap() ^= 1;
    let error = read_longs(&file.into()).unwrap_err();
    assert!(error.message().starts_with("sync marker"), "{error}");
}

#[test]
fn wrong_snappy_checksum_is_damaged() {
    let mut file = longs(Codec::Snappy, 5).to_vec();
    let at = file.len() - 17;
    file[at] ^= 1;
    let error = read_longs(&file.into()).unwrap_err();
    assert!(error.message().starts_with("CRC-32"), "{error}");
}

#[test]
fn bomb_stops_at_the_limit() {
    let zeros = vec![0u8; 8 << 20];
    for codec in &CODECS[1..] {
        let block = Bytes::from(codec.deflate(&zeros).unwrap());
        let error = Inflater::new(*codec, 1 << 20).inflate(block).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{codec:?}");
    }
}

#[test]
fn zstandard_frames_without_a_declared_size_are_read() {
    let data = vec![7u8; 300_000];
    let mut frames = zstd::stream::encode_all(&data[..], 1).unwrap();
    frames.extend(zstd::stream::encode_all(&data[..10], 1).unwrap());
    let mut inflater = Inflater::new(Codec::default(), 1 << 20);
    for _ in 0..2 {
        let out = inflater.inflate(frames.clone().into()).unwrap();
        assert_eq!(out.len(), 300_010);
    }
    frames.truncate(frames.len() - 3);
    assert!(inflater.inflate(frames.into()).is_err());
}

#[test]
fn absurd_block_counts_and_lengths_are_errors() {
    let header = longs(Codec::Null, 0);
    for (rows, bytes) in [
        (i64::MAX, 1),
        (-1, 1),
        (1, i64::MAX),
        (1, -5),
        (1, 100 << 20),
    ] {
        let mut file = header.to_vec();
        put_long(&mut file, rows);
        put_long(&mut file, bytes);
        file.extend_from_slice(&[0; 64]);
        assert!(read_longs(&file.into()).is_err(), "{rows} {bytes}");
    }
}

#[test]
fn named_types_are_found_by_name_and_recursion_is_refused() {
    let twice = br#"{"type":"record","name":"a","namespace":"x","fields":[
        {"name":"p","type":{"type":"record","name":"b","fields":[{"name":"n","type":"int"}]}},
        {"name":"q","type":["null","b"]},{"name":"r","type":"x.b"}]}"#;
    let AvroType::Record(record) = AvroType::parse(twice).unwrap() else {
        unreachable!()
    };
    assert_eq!(record.fields[0].avro, record.fields[2].avro);
    assert!(record.fields[1].avro.optional().unwrap().1);
    let recursive = br#"{"type":"record","name":"a","fields":[{"name":"n","type":["null","a"]}]}"#;
    let error = AvroType::parse(recursive).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn deep_chains_of_names_are_refused() {
    let mut fields = vec![
        r#"{"name":"f0","type":{"type":"record","name":"t0","fields":[{"name":"n","type":"int"}]}}"#
            .to_string(),
    ];
    for i in 1..100 {
        let below = i - 1;
        fields.push(format!(
            r#"{{"name":"f{i}","type":{{"type":"record","name":"t{i}","fields":[{{"name":"a","type":"t{below}"}},{{"name":"b","type":"t{below}"}}]}}}}"#
        ));
    }
    let schema = format!(
        r#"{{"type":"record","name":"r","fields":[{}]}}"#,
        fields.join(",")
    );
    let error = AvroType::parse(schema.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn only_unions_with_null_first_are_optional() {
    for (json, optional) in [
        (r#"["null","int"]"#, Some(true)),
        (r#""int""#, Some(false)),
        (r#"["int","null"]"#, None),
        (r#"["null","int","long"]"#, None),
        (r#"["null"]"#, None),
    ] {
        let avro = AvroType::parse(json.as_bytes()).unwrap();
        assert_eq!(avro.optional().ok().map(|o| o.1), optional, "{json}");
    }
}

#[test]
fn items_with_negative_counts_are_read_and_skipped() {
    // [1, 2] as a block of 2 items in 2 bytes.
    let data = Bytes::from_static(&[0x03, 0x04, 0x02, 0x04, 0x00, 0x0a]);
    let array = AvroType::parse(br#"{"type":"array","items":"int"}"#).unwrap();
    let mut cursor = Cursor::new(&data);
    cursor.skip(&array).unwrap();
    assert_eq!(cursor.int().unwrap(), 5);
    let mut cursor = Cursor::new(&data);
    assert_eq!(cursor.items().unwrap(), 2);
}
