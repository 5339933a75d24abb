#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use paimon_core::ErrorKind;

use super::*;
use crate::rest::testing::Service;

fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    pairs.collect()
}

fn login(signer: Signer, security_token: Option<&str>) -> SignedLogin {
    let mut keys = options(&[(ACCESS_KEY_ID, "id"), (ACCESS_KEY_SECRET, "s3cr3t")]);
    keys.extend(security_token.map(|token| (SECURITY_TOKEN.to_string(), token.to_string())));
    SignedLogin {
        signer: Arc::new(signer),
        generation: 0,
        keys: Arc::new(keys),
    }
}

/// The headers of a request at 2026-03-04 05:06:07 UTC.
fn signed(
    signer: Signer,
    security_token: Option<&str>,
    request: &Outgoing<'_>,
) -> BTreeMap<&'static str, String> {
    let now: DateTime<Utc> = "2026-03-04T05:06:07Z".parse().unwrap();
    let headers = login(signer, security_token).headers_at(request, now, "n0nce");
    headers.unwrap().into_iter().collect()
}

const CONFIG: Outgoing<'_> = Outgoing {
    method: "GET",
    path: &["config"],
    query: &[("warehouse", "my lake/ü*~")],
    body: None,
};
const LISTING: Outgoing<'_> = Outgoing {
    method: "GET",
    path: &["p/q", "databases", "a b", "tables"],
    query: &[("pageToken", "x=y&z"), ("maxResults", "10"), ("empty", "")],
    body: None,
};
const COMMIT: Outgoing<'_> = Outgoing {
    method: "POST",
    path: &["p/q", "databases", "db", "tables", "t$x", "commit"],
    query: &[],
    body: Some("{\"a\":\"ü\"}".as_bytes()),
};
const DROP: Outgoing<'_> = Outgoing {
    method: "DELETE",
    path: &["databases", "db"],
    query: &[],
    body: None,
};

#[test]
fn signatures_for_a_region_are_those_of_java() {
    // by Java 2.0.0: DLFDefaultSigner.authorization
    let expected = [
        (
            CONFIG,
            "691d4023a4b18e7375d6737288509fb0495cb3654862bbf3558578d93abdbc12",
            "2e10c8748353a72765dddfa6e406823304ef0f47f5d37b19f700c297a11cba9e",
        ),
        (
            LISTING,
            "10293ccf042b8d5cbda38f0effe20217ca2ae940aa5923ef718d59d4073d385b",
            "720dab7c40f6f1e781428772e896f197924702528bb920d860c53ef0d714d05c",
        ),
        (
            COMMIT,
            "917d2a61a8f356673031fe6419d9fee34383ef0c61ab52193e03b0d215b1d09b",
            "6d07f1d0fb1e771006f050b706b8a66044ba7db1ac957a72b671bbab83c13e23",
        ),
        (
            DROP,
            "e3ea75448ba89796fab49a1cbf6cee01eba98e660a68a9d3be04d384d9d78df2",
            "126b2ef5ce5b3665b91f6b78c9f4e276035e6d5a7deb666cea65ab3ae154f2e4",
        ),
    ];
    for (request, plain, with_token) in expected {
        for (token, signature) in [(None, plain), (Some("st/+="), with_token)] {
            let signer = Signer::Classic("cn-hangzhou".to_string());
            let headers = signed(signer, token, &request);
            let expected = format!(
                "DLF4-HMAC-SHA256 Credential=id/20260304/cn-hangzhou/DlfNext/aliyun_v4_request,Signature={signature}"
            );
            assert_eq!(headers["authorization"], expected, "{}", request.method);
            assert_eq!(headers["x-dlf-date"], "20260304T050607Z");
            assert_eq!(headers["x-dlf-version"], "v1");
            assert_eq!(headers["x-dlf-content-sha256"], "UNSIGNED-PAYLOAD");
            let found = headers.get("x-dlf-security-token").map(String::as_str);
            assert_eq!(found, token);
            let md5 = headers.get("content-md5").map(String::as_str);
            assert_eq!(md5, request.body.map(|_| "84CR/upzJZfLxYmRYULDOQ=="));
            let kind = headers.get("content-type").map(String::as_str);
            assert_eq!(kind, request.body.map(|_| JSON));
        }
    }
}

#[test]
fn signatures_of_the_open_api_are_those_of_java() {
    // by Java 2.0.0: DLFOpenApiSigner.authorization
    let expected = [
        (
            CONFIG,
            "Bg7ggQ5ThsN5pxepJt0WAD8ptWQ=",
            "XE1dkmevLcXtVfUqAf9DV2LTpm8=",
        ),
        (
            LISTING,
            "nxMcnqhTOA+RjsIjfU+3uKqeuvA=",
            "WguGageETLFa3QCOdLQuvIRipGw=",
        ),
        (
            COMMIT,
            "fz9AfPooha2hawBPX7F4MnjjPu8=",
            "Kw72s+bEtBoON8sLLd2rUOHT5To=",
        ),
        (
            DROP,
            "iHicB6Og+eigB3FCbctTaKNDlNg=",
            "iXKVajzsoBB5sdsUdrdVvoQ1sik=",
        ),
    ];
    for (request, plain, with_token) in expected {
        for (token, signature) in [(None, plain), (Some("st/+="), with_token)] {
            let headers = signed(Signer::OpenApi, token, &request);
            assert_eq!(headers["authorization"], format!("acs id:{signature}"));
            assert_eq!(headers["date"], "Wed, 04 Mar 2026 05:06:07 GMT");
            assert_eq!(headers["accept"], JSON);
            assert_eq!(headers["x-acs-version"], "2026-01-18");
            assert_eq!(headers["x-acs-signature-nonce"], "n0nce");
            let md5 = headers.get("content-md5").map(String::as_str);
            assert_eq!(md5, request.body.map(|_| "84CR/upzJZfLxYmRYULDOQ=="));
        }
    }
}

#[test]
fn regions_stand_in_addresses_as_java_finds_them() {
    // by Java 2.0.0: DLFAuthProviderFactory.parseRegionFromUri
    for (uri, region) in [
        (
            "https://cn-hangzhou-vpc.dlf.aliyuncs.com",
            Some("cn-hangzhou"),
        ),
        ("http://pre-cn-hangzhou-vpc.dlf", Some("cn-hangzhou")),
        ("dlfnext.us-east-1.aliyuncs.com", Some("us-east-1")),
        ("https://pre-cn.x", Some("pre-cn")),
        ("https://a-b-12c", Some("a-b-12")),
        ("http://127.0.0.1:80", None),
        ("http://h1-x", None),
        ("http://A-b-c", Some("b-c")),
        ("http://ü-x-y", Some("x-y")),
    ] {
        assert_eq!(region_in(uri), region, "{uri}");
    }
}

#[test]
fn what_is_missing_or_too_much_is_named() {
    let uri = ("uri", "https://cn-hangzhou-vpc.dlf.aliyuncs.com");
    let (id, secret) = ((ACCESS_KEY_ID, "id"), (ACCESS_KEY_SECRET, "hush"));
    for (given, word) in [
        (vec![uri], ACCESS_KEY_ID),
        (vec![uri, id], ACCESS_KEY_SECRET),
        (vec![("uri", "http://h"), id, secret], REGION),
        (vec![uri, id, secret, (ALGORITHM, "other")], ALGORITHM),
        (vec![uri, id, secret, (TOKEN_PATH, "/x")], ACCESS_KEY_ID),
        (vec![uri, id, secret, (ECS_ROLE, "r")], ECS_ROLE),
        (vec![uri, (TOKEN_LOADER, "local_file")], TOKEN_PATH),
        (vec![uri, (TOKEN_LOADER, "own")], "own"),
        (
            vec![uri, (TOKEN_LOADER, "ecs"), (TOKEN_PATH, "/x")],
            TOKEN_PATH,
        ),
        (vec![uri, (TOKEN_LOADER, "ecs"), (ECS_URL, "x")], ECS_URL),
    ] {
        let error = Dlf::new(&options(&given)).unwrap_err();
        assert!(error.to_string().contains(word), "{word}: {error}");
        assert!(!format!("{error:?}").contains("hush"));
    }
    let dlf = Dlf::new(&options(&[uri, id, secret])).unwrap();
    assert_eq!(*dlf.signer, Signer::Classic("cn-hangzhou".to_string()));
    assert!(!format!("{dlf:?}").contains("hush"));
    let public = ("uri", "https://DlfNext.cn-hangzhou.aliyuncs.com");
    let dlf = Dlf::new(&options(&[public, id, secret])).unwrap();
    assert_eq!(*dlf.signer, Signer::OpenApi);
    let chosen = [public, id, secret, (ALGORITHM, "default"), (REGION, "r")];
    let dlf = Dlf::new(&options(&chosen)).unwrap();
    assert_eq!(*dlf.signer, Signer::Classic("r".to_string()));
}

fn token(id: &str, expiration: Option<&str>) -> String {
    let mut token =
        serde_json::json!({ "AccessKeyId": id, "AccessKeySecret": "hush", "Code": "Success" });
    if let Some(expiration) = expiration {
        token["SecurityToken"] = "quiet".into();
        token["Expiration"] = expiration.into();
    }
    token.to_string()
}

fn id_of(login: &SignedLogin) -> &str {
    &login.keys[ACCESS_KEY_ID]
}

#[tokio::test]
async fn keys_of_a_file_are_read_again_when_they_expired_or_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let write = |text: &str| std::fs::write(&path, text).unwrap();
    let given = options(&[("uri", "http://cn-x"), (TOKEN_PATH, path.to_str().unwrap())]);
    let dlf = Dlf::new(&given).unwrap();
    assert_eq!(dlf.login(None).await.err().unwrap().kind(), ErrorKind::Io);

    write(&token("past", Some("2001-02-03T04:05:06Z")));
    let past = dlf.login(None).await.unwrap();
    assert_eq!(id_of(&past), "past");
    assert_eq!(dlf.secrets(), ["hush", "quiet"]);
    write(&token("future", Some("2999-02-03T04:05:06Z")));
    assert_eq!(id_of(&dlf.login(None).await.unwrap()), "future");
    write(&token("endless", None));
    let future = dlf.login(None).await.unwrap();
    assert_eq!(id_of(&future), "future");
    let endless = dlf.login(Some(&future)).await.unwrap();
    assert_eq!(id_of(&endless), "endless");
    assert!(endless != future);

    write("{\"AccessKeyId\": \"hush\" nonsense");
    let error = dlf.login(Some(&endless)).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(!format!("{error} {error:?} {dlf:?}").contains("hush"));
    write(&token("x", Some("tomorrow")));
    let error = dlf.login(Some(&endless)).await.err().unwrap();
    assert!(error.to_string().contains("Expiration"), "{error}");
}

#[tokio::test]
async fn keys_of_the_machine_come_from_its_metadata_service() {
    let service = Service::start(|earlier, seen| match seen.line.as_str() {
        "GET /meta/" => Some((200, "my-role\n".to_string())),
        // away for a moment
        "GET /meta/my-role" if earlier == 0 => None,
        "GET /meta/my-role" => Some((200, token("a", Some("2999-01-01T00:00:00Z")))),
        "GET /meta/other" => Some((200, "hush [".to_string())),
        _ => Some((404, "hush".to_string())),
    })
    .await;
    let ecs = |more: &[(&str, &str)]| {
        let mut given = options(&[("uri", "http://cn-x"), (TOKEN_LOADER, "ecs")]);
        given.insert(ECS_URL.to_string(), format!("{}/meta", service.uri));
        given.extend(options(more));
        Dlf::new(&given).unwrap()
    };
    let dlf = ecs(&[]);
    assert_eq!(id_of(&dlf.login(None).await.unwrap()), "a");
    dlf.login(None).await.unwrap();
    let lines = ["GET /meta/", "GET /meta/my-role", "GET /meta/my-role"];
    assert_eq!(service.lines(), lines);
    for (role, kind) in [("other", ErrorKind::Damaged), ("none", ErrorKind::Io)] {
        let error = ecs(&[(ECS_ROLE, role)]).login(None).await.err().unwrap();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!format!("{error} {error:?}").contains("hush"));
    }
}
