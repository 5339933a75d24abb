#![allow(clippy::unwrap_used)]
use paimon_core::ErrorKind;

use super::*;

const KEYS: [(&str, &str); 3] = [
    ("fs.oss.endpoint", "oss-cn-hangzhou.aliyuncs.com"),
    ("fs.oss.accessKeyId", "the-id"),
    ("fs.oss.accessKeySecret", "hush"),
];

fn open(prefix: &str, pairs: &[(&str, &str)]) -> Result<OpenedStore> {
    let own = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    OssFactory::new(Environment::default()).open(prefix, &own.collect())
}

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&KEYS, more].concat()
}

#[test]
fn commits_are_tried_out_before_the_first_write() {
    let opened = open("oss://bucket", &KEYS).unwrap();
    assert_eq!(opened.commit, CommitPrimitive::UnprovenPut);
    assert!(opened.replaced_by_others);
    assert!(!format!("{:?}", opened.store).contains("hush"));
}

#[test]
fn what_is_missing_or_cannot_be_kept_is_refused_by_name() {
    for (pairs, kind, option) in [
        (KEYS[..1].to_vec(), ErrorKind::InvalidInput, "accessKeyId"),
        (
            KEYS[..2].to_vec(),
            ErrorKind::InvalidInput,
            "accessKeySecret",
        ),
        (KEYS[1..].to_vec(), ErrorKind::InvalidInput, "endpoint"),
        (
            with(&[("fs.oss.credentials.provider", "x")]),
            ErrorKind::Unsupported,
            "credentials.provider",
        ),
        (
            with(&[("fs.oss.server-side-data-encryption", "SM4")]),
            ErrorKind::Unsupported,
            "server-side-data-encryption",
        ),
        (
            with(&[("fs.oss.server-side-encryption", "ROT13")]),
            ErrorKind::Unsupported,
            "server-side-encryption",
        ),
        (
            with(&[("fs.oss.server-side-encryption-key-id", "k")]),
            ErrorKind::InvalidInput,
            "key-id",
        ),
        (
            with(&[("fs.oss.accesskeyid", "another")]),
            ErrorKind::InvalidInput,
            "accesskeyid",
        ),
    ] {
        let error = open("oss://bucket", &pairs).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(option), "{error}");
        assert!(!error.to_string().contains("hush"), "{error}");
    }
}

#[test]
fn credentials_of_the_environment_count_when_the_options_have_none() {
    let variables = [
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "i"),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "s"),
    ];
    let variables = variables.map(|(k, v)| (k.to_string(), v.to_string()));
    let factory = OssFactory::new(variables.into_iter().collect());
    let options = |n: usize| {
        KEYS[..n]
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
    };
    assert!(factory.open("oss://b", &options(1).collect()).is_ok());
    // never mixed
    assert!(factory.open("oss://b", &options(2).collect()).is_err());
}

#[test]
fn locations_hold_a_bucket_alone() {
    for prefix in [
        "oss://",
        "oss://id:hush@bucket",
        "oss://bucket.oss-cn-hangzhou.aliyuncs.com",
    ] {
        let error = open(prefix, &KEYS).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(!error.to_string().contains("hush"), "{error}");
    }
}
