#![allow(clippy::unwrap_used)]
use paimon_core::ErrorKind;

use super::*;

const KEYS: [(&str, &str); 2] = [
    ("s3.access-key", "AKIAEXAMPLE"),
    ("s3.secret-key", "hidden"),
];

fn own<'a>(pairs: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> Vec<(String, String)> {
    let own = pairs
        .into_iter()
        .map(|(k, v)| (k.to_string(), v.to_string()));
    own.collect()
}

fn settings(pairs: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<Settings> {
    let environment = Environment::from_iter(own(variables));
    let options = own(KEYS.iter().chain(pairs)).into_iter().collect();
    Settings::read("s3://bucket", &options, &environment)
}

fn open(pairs: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<OpenedStore> {
    let environment = Environment::from_iter(own(variables));
    S3Factory::new(environment).open("s3://bucket", &own(pairs).into_iter().collect())
}

/// The value that the client was given.
fn configured(settings: Settings, variables: &[(&str, &str)], key: &str) -> Option<String> {
    let environment = Environment::from_iter(own(variables));
    let builder = settings.builder(&environment).unwrap();
    builder.get_config_value(&key.parse().unwrap())
}

#[test]
fn keys_of_paimon_and_of_hadoop_mean_the_same() {
    for prefix in ["s3.", "s3a.", "fs.s3a."] {
        let key = |name: &str| format!("{prefix}{name}");
        let names = [
            key("endpoint"),
            key("path.style.access"),
            key("endpoint.region"),
        ];
        let pairs = [
            (names[0].as_str(), "https://store.example.com/"),
            (names[1].as_str(), "true"),
            (names[2].as_str(), "eu-west-1"),
        ];
        let read = settings(&pairs, &[]).unwrap();
        assert_eq!(read.endpoint.as_deref(), Some("https://store.example.com"));
        assert!(read.path_style);
        assert_eq!(
            configured(read, &[], "aws_region").as_deref(),
            Some("eu-west-1")
        );
    }
}

#[test]
fn a_bucket_is_part_of_the_host_unless_the_host_takes_no_parts() {
    for (endpoint, address) in [
        (
            "https://oss-cn.aliyuncs.com",
            "https://bucket.oss-cn.aliyuncs.com",
        ),
        (
            "store.example.com:8443",
            "https://bucket.store.example.com:8443",
        ),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("http://minio:9000", "http://minio:9000"),
    ] {
        let read = settings(&[("s3.endpoint", endpoint)], &[]).unwrap();
        let found = configured(read, &[], "aws_endpoint");
        assert_eq!(found.as_deref(), Some(address), "{endpoint}");
    }
    let plain = [
        ("s3.endpoint", "minio:9000"),
        ("s3.connection.ssl.enabled", "false"),
    ];
    let read = settings(&plain, &[]).unwrap();
    assert_eq!(read.endpoint.as_deref(), Some("http://minio:9000"));
    for wrong in ["ftp://x", "http://user:secret@host", "http://"] {
        let error = settings(&[("s3.endpoint", wrong)], &[]).err().unwrap();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn options_beat_variables_and_credentials_are_not_mixed() {
    let variables = [
        ("AWS_ACCESS_KEY_ID", "other"),
        ("AWS_SECRET_ACCESS_KEY", "other"),
        ("AWS_SESSION_TOKEN", "other"),
        ("AWS_REGION", "us-west-2"),
        ("AWS_ENDPOINT_URL", "http://10.0.0.1:1"),
    ];
    let read = |pairs: &[(&str, &str)]| settings(pairs, &variables).unwrap();
    let value = |pairs: &[(&str, &str)], key| configured(read(pairs), &variables, key);
    assert_eq!(
        value(&[], "aws_access_key_id").as_deref(),
        Some("AKIAEXAMPLE")
    );
    assert_eq!(value(&[], "aws_session_token"), None);
    assert_eq!(value(&[], "aws_region").as_deref(), Some("us-west-2"));
    assert_eq!(
        value(&[], "aws_endpoint").as_deref(),
        Some("http://10.0.0.1:1")
    );
    let given = [("s3.region", "eu"), ("s3.endpoint", "http://10.0.0.2:2")];
    assert_eq!(value(&given, "aws_region").as_deref(), Some("eu"));
    assert_eq!(
        value(&given, "aws_endpoint").as_deref(),
        Some("http://10.0.0.2:2")
    );
    assert!(open(&[], &variables).is_ok());
}

#[test]
fn plain_http_follows_from_the_endpoint_alone() {
    let http = |endpoint: &str, variables: &[(&str, &str)]| {
        let read = settings(&[("s3.endpoint", endpoint)], variables).unwrap();
        configured(read, variables, "aws_allow_http").unwrap()
    };
    assert_eq!(http("http://127.0.0.1:9000", &[]), "true");
    assert_eq!(
        http("https://127.0.0.1:9000", &[("AWS_ALLOW_HTTP", "true")]),
        "false"
    );
}

#[test]
fn options_of_one_bucket_win_and_those_of_others_do_not_count() {
    let pairs = [
        ("fs.s3a.endpoint", "http://10.0.0.1:1"),
        ("fs.s3a.bucket.bucket.endpoint", "http://10.0.0.2:2"),
        ("fs.s3a.bucket.else.assumed.role.arn", "x"),
    ];
    let read = settings(&pairs, &[]).unwrap();
    assert_eq!(read.endpoint.as_deref(), Some("http://10.0.0.2:2"));
}

#[test]
fn what_cannot_be_kept_is_refused_by_name() {
    for (key, value, kind) in [
        ("fs.s3a.assumed.role.arn", "x", ErrorKind::Unsupported),
        (
            "fs.s3a.encryption.algorithm",
            "CSE-KMS",
            ErrorKind::Unsupported,
        ),
        (
            "fs.s3a.server-side-encryption-algorithm",
            "SSE-C",
            ErrorKind::InvalidInput,
        ),
        (
            "fs.s3a.aws.credentials.provider",
            "a.b.Mine",
            ErrorKind::Unsupported,
        ),
        ("s3.access.key", "another", ErrorKind::InvalidInput),
        ("s3.path.style.access", "perhaps", ErrorKind::InvalidInput),
        ("s3.signer-type", "S3SignerType", ErrorKind::Unsupported),
    ] {
        let error = settings(&[(key, value)], &[]).err().unwrap();
        assert_eq!(error.kind(), kind, "{key}");
        assert!(
            error
                .to_string()
                .contains(key.rsplit("s3a.").next().unwrap()),
            "{key}: {error}"
        );
    }
    assert!(settings(&[("fs.s3a.connection.maximum", "100")], &[]).is_ok());
}

#[test]
fn credentials_are_complete_or_asked_for() {
    let kind = |pairs: &[(&str, &str)]| open(pairs, &[]).err().map(|e| e.kind());
    assert_eq!(kind(&KEYS[..1]), Some(ErrorKind::InvalidInput));
    let server = ("s3.endpoint", "http://127.0.0.1:9000");
    assert_eq!(kind(&[server]), Some(ErrorKind::InvalidInput));
    let anonymous = (
        "fs.s3a.aws.credentials.provider",
        "org.apache.hadoop.fs.s3a.AnonymousAWSCredentialsProvider",
    );
    assert_eq!(kind(&[server, anonymous]), None);
    let error = S3Factory::new(Environment::default())
        .open("s3://id:secret@bucket", &BTreeMap::new())
        .unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[test]
fn servers_other_than_amazons_must_prove_that_they_keep_the_condition() {
    let commit = |endpoint: &str| {
        let pairs = [KEYS[0], KEYS[1], ("s3.endpoint", endpoint)];
        open(&pairs, &[]).unwrap().commit
    };
    let amazon = "https://s3.eu-west-1.amazonaws.com";
    assert_eq!(commit(amazon), CommitPrimitive::ConditionalPut);
    assert_eq!(
        commit("http://127.0.0.1:9000"),
        CommitPrimitive::UnprovenPut
    );
    assert_eq!(
        open(&KEYS, &[]).unwrap().commit,
        CommitPrimitive::ConditionalPut
    );
}

#[test]
fn a_client_shows_no_secret() {
    let pairs = [KEYS[0], KEYS[1], ("s3.session-token", "tok3n")];
    let opened = open(&pairs, &[]).unwrap();
    let shown = format!("{opened:?} {:?} {}", opened.store, opened.store);
    for secret in ["AKIAEXAMPLE", "hidden", "tok3n"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn patience_follows_the_options() {
    let pairs = [
        ("fs.s3a.attempts.maximum", "4"),
        ("fs.s3a.connection.timeout", "30 s"),
        ("fs.s3a.connection.establish.timeout", "2000"),
    ];
    let patience = settings(&pairs, &[]).unwrap().patience;
    assert_eq!(patience.retries, 3);
    assert_eq!(patience.request_timeout.as_secs(), 30);
    assert_eq!(patience.connect_timeout.as_secs(), 2);
}
