//! A small server of S3 and OSS in the process: one bucket in memory, conditional puts that are atomic, and faults on demand.
#![allow(clippy::disallowed_methods, reason = "a server keeps its own time")]

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};

/// Name of the bucket.
pub const BUCKET: &str = "bucket";

/// Entries on a page of a listing: small, so that tests see several.
const PAGE: usize = 50;

/// How the server misbehaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// One in so many requests gets a fault; 0 is none.
    pub one_in: u64,
    pub seed: u64,
    /// Whether `If-None-Match` and `x-oss-forbid-overwrite` are ignored.
    pub ignores_condition: bool,
    /// How long a late answer takes.
    pub delay: Duration,
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// 503 without an effect.
    Refused,
    /// 500 after the effect.
    Broken,
    /// 409 without an effect; conditional puts only.
    Disputed,
    /// The connection is closed after the effect, without an answer.
    Cut,
    /// The answer comes after the delay.
    Late,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, (Vec<u8>, DateTime<Utc>)>,
    uploads: HashMap<String, BTreeMap<u32, Vec<u8>>>,
}

/// A running server; it ends with the process.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    /// Of an object; empty for listings.
    pub key: String,
    /// Of a listing.
    pub prefix: Option<String>,
    /// First and last byte asked for.
    pub range: Option<(usize, usize)>,
}

struct Shared {
    seen: Mutex<Vec<Seen>>,
    state: Mutex<State>,
    faults: Mutex<Faults>,
    draws: AtomicU64,
    faulted: AtomicU64,
    ids: AtomicU64,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            state: Mutex::default(),
            faults: Mutex::default(),
            draws: AtomicU64::new(0),
            faulted: AtomicU64::new(0),
            ids: AtomicU64::new(0),
        });
        let all = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = all.clone();
                std::thread::spawn(move || serve(&shared, stream));
            }
        });
        Self { address, shared }
    }

    pub fn set_faults(&self, faults: Faults) {
        self.shared.draws.store(faults.seed, Ordering::Relaxed);
        *self.shared.faults.lock().unwrap() = faults;
    }

    /// Requests that got a fault so far.
    pub fn faulted(&self) -> u64 {
        self.shared.faulted.load(Ordering::Relaxed)
    }

    /// The requests since the last call.
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.seen.lock().unwrap())
    }

    /// Uploads that were neither completed nor aborted.
    pub fn open_uploads(&self) -> usize {
        self.shared.state.lock().unwrap().uploads.len()
    }

    /// Keys of all objects.
    pub fn keys(&self) -> Vec<String> {
        let state = self.shared.state.lock().unwrap();
        state.objects.keys().cloned().collect()
    }

    /// Puts an object beside the interface, such as the markers of other engines.
    pub fn put(&self, key: &str, content: &[u8]) {
        let mut state = self.shared.state.lock().unwrap();
        let object = (content.to_vec(), Utc::now());
        state.objects.insert(key.to_string(), object);
    }

    /// Removes an object beside the interface.
    pub fn remove(&self, key: &str) {
        self.shared.state.lock().unwrap().objects.remove(key);
    }

    /// Options of a catalog on this server.
    pub fn options(&self) -> Vec<(String, String)> {
        [
            ("s3.endpoint", format!("http://{}", self.address)),
            ("s3.access-key", "AKIATESTING".to_string()),
            ("s3.secret-key", "hidden-secret".to_string()),
        ]
        .map(|(key, value)| (key.to_string(), value))
        .to_vec()
    }

    /// The same by the names of OSS.
    #[cfg(feature = "oss")]
    pub fn oss_options(&self) -> Vec<(String, String)> {
        [
            ("fs.oss.endpoint", format!("http://{}", self.address)),
            ("fs.oss.accessKeyId", "AKIATESTING".to_string()),
            ("fs.oss.accessKeySecret", "hidden-secret".to_string()),
        ]
        .map(|(key, value)| (key.to_string(), value))
        .to_vec()
    }
}

/// Whether a put of OSS must not replace.
fn is_forbidding(request: &Request) -> bool {
    let header = request.headers.get("x-oss-forbid-overwrite");
    header.is_some_and(|v| v == "true")
}

struct Request {
    method: String,
    bucket: String,
    key: String,
    query: HashMap<String, String>,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn serve(shared: &Shared, stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(request) = read_request(&mut reader) {
        shared.seen.lock().unwrap().push(seen(&request));
        let fault = shared.draw(&request);
        let response = match fault {
            Fault::Refused => error(503, "SlowDown"),
            Fault::Disputed => error(409, "ConditionalRequestConflict"),
            _ => shared.answer(&request),
        };
        let response = match fault {
            Fault::Cut => return,
            Fault::Broken => error(500, "InternalError"),
            Fault::Late => {
                let delay = shared.faults.lock().unwrap().delay;
                std::thread::sleep(delay);
                response
            }
            _ => response,
        };
        if write_response(&mut stream, &request.method, &response).is_none() {
            return;
        }
    }
}

fn seen(request: &Request) -> Seen {
    let range = request.headers.get("range");
    let range = range.and_then(|r| r.strip_prefix("bytes=")?.split_once('-'));
    let lists = request.method == "GET" && request.key.is_empty();
    Seen {
        method: request.method.clone(),
        key: request.key.clone(),
        prefix: lists.then(|| request.query.get("prefix").cloned().unwrap_or_default()),
        range: range.and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?))),
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let mut parts = line.split_whitespace();
    let (method, target) = (parts.next()?.to_string(), parts.next()?.to_string());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_string());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |l| l.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let path = decoded(path);
    let (bucket, key) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    let pairs = query.split('&').filter(|p| !p.is_empty());
    let query = pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    });
    Some(Request {
        method,
        bucket: bucket.to_string(),
        key: key.to_string(),
        query: query.collect(),
        headers,
        body,
    })
}

fn write_response(stream: &mut TcpStream, method: &str, response: &Response) -> Option<()> {
    let mut head = format!("HTTP/1.1 {} X\r\n", response.status);
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !response
        .headers
        .iter()
        .any(|(name, _)| *name == "Content-Length")
        && response.status != 204
    {
        head.push_str(&format!("Content-Length: {}\r\n", response.body.len()));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    if method != "HEAD" {
        bytes.extend_from_slice(&response.body);
    }
    stream.write_all(&bytes).ok()
}

impl Shared {
    fn draw(&self, request: &Request) -> Fault {
        let faults = *self.faults.lock().unwrap();
        if faults.one_in == 0 {
            return Fault::None;
        }
        // splitmix64
        let mut z = self
            .draws
            .fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        if !z.is_multiple_of(faults.one_in) {
            return Fault::None;
        }
        self.faulted.fetch_add(1, Ordering::Relaxed);
        let conditional = request.headers.contains_key("if-none-match") || is_forbidding(request);
        match (z >> 40) % 5 {
            0 => Fault::Refused,
            1 => Fault::Broken,
            2 if conditional => Fault::Disputed,
            3 => Fault::Cut,
            4 => Fault::Late,
            _ => Fault::Refused,
        }
    }

    fn answer(&self, request: &Request) -> Response {
        if request.bucket != BUCKET {
            return error(404, "NoSuchBucket");
        }
        let query = |name: &str| request.query.get(name).map(String::as_str);
        match (request.method.as_str(), query("uploadId")) {
            ("GET", _) if request.key.is_empty() => self.list(request),
            ("GET" | "HEAD", _) => self.get(request),
            ("PUT", Some(id)) => self.put_part(request, id),
            ("PUT", None) => self.put(request),
            ("POST", Some(id)) => self.complete(request, id),
            ("POST", None) if query("uploads").is_some() => self.begin(),
            ("POST", None) if query("delete").is_some() => self.delete_many(request),
            ("DELETE", Some(id)) => {
                self.state.lock().unwrap().uploads.remove(id);
                empty(204)
            }
            ("DELETE", None) => {
                self.state.lock().unwrap().objects.remove(&request.key);
                empty(204)
            }
            _ => error(501, "NotImplemented"),
        }
    }

    fn get(&self, request: &Request) -> Response {
        let state = self.state.lock().unwrap();
        let Some((content, modified)) = state.objects.get(&request.key) else {
            return error(404, "NoSuchKey");
        };
        let total = content.len();
        let range = request
            .headers
            .get("range")
            .and_then(|r| r.strip_prefix("bytes="));
        let (from, to) = match range.and_then(|r| r.split_once('-')) {
            None => (0, total),
            Some(("", last)) => (total.saturating_sub(last.parse().unwrap()), total),
            Some((from, "")) => (from.parse().unwrap(), total),
            Some((from, to)) => (
                from.parse().unwrap(),
                total.min(to.parse::<usize>().unwrap() + 1),
            ),
        };
        if range.is_some() && from >= total {
            return error(416, "InvalidRange");
        }
        let body = content[from..to].to_vec();
        let mut headers = vec![
            ("Content-Length", body.len().to_string()),
            (
                "Last-Modified",
                modified.format("%a, %d %b %Y %H:%M:%S GMT").to_string(),
            ),
            ("ETag", etag(content)),
        ];
        if range.is_some() {
            headers.push(("Content-Range", format!("bytes {from}-{}/{total}", to - 1)));
        }
        Response {
            status: if range.is_some() { 206 } else { 200 },
            headers,
            body,
        }
    }

    fn put(&self, request: &Request) -> Response {
        let ignored = self.faults.lock().unwrap().ignores_condition;
        let mut state = self.state.lock().unwrap();
        let condition = request
            .headers
            .get("if-none-match")
            .is_some_and(|v| v == "*");
        let forbids = is_forbidding(request);
        if forbids && !ignored && state.objects.contains_key(&request.key) {
            return error(409, "FileAlreadyExists");
        }
        if condition && !ignored && state.objects.contains_key(&request.key) {
            return error(412, "PreconditionFailed");
        }
        let object = (request.body.clone(), Utc::now());
        state.objects.insert(request.key.clone(), object);
        tagged(&request.body)
    }

    fn begin(&self) -> Response {
        let id = self.ids.fetch_add(1, Ordering::Relaxed).to_string();
        let mut state = self.state.lock().unwrap();
        state.uploads.insert(id.clone(), BTreeMap::new());
        xml(format!(
            "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
        ))
    }

    fn put_part(&self, request: &Request, id: &str) -> Response {
        let mut state = self.state.lock().unwrap();
        let Some(parts) = state.uploads.get_mut(id) else {
            return error(404, "NoSuchUpload");
        };
        let number = request.query["partNumber"].parse().unwrap();
        parts.insert(number, request.body.clone());
        tagged(&request.body)
    }

    fn complete(&self, request: &Request, id: &str) -> Response {
        let mut state = self.state.lock().unwrap();
        let Some(parts) = state.uploads.remove(id) else {
            return error(404, "NoSuchUpload");
        };
        let content: Vec<u8> = parts.into_values().flatten().collect();
        let tag = etag(&content);
        state
            .objects
            .insert(request.key.clone(), (content, Utc::now()));
        xml(format!(
            "<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>"
        ))
    }

    fn delete_many(&self, request: &Request) -> Response {
        let body = String::from_utf8(request.body.clone()).unwrap();
        let mut state = self.state.lock().unwrap();
        let mut deleted = String::new();
        for part in body.split("<Key>").skip(1) {
            let key = part.split("</Key>").next().unwrap();
            state.objects.remove(&key.replace("&amp;", "&"));
            deleted.push_str(&format!("<Deleted><Key>{key}</Key></Deleted>"));
        }
        xml(format!("<DeleteResult>{deleted}</DeleteResult>"))
    }

    /// Keys and common prefixes in order, a page at a time; the token is the last one of the page before.
    fn list(&self, request: &Request) -> Response {
        let query = |name: &str| request.query.get(name).cloned().unwrap_or_default();
        let (prefix, delimiter, after) = (
            query("prefix"),
            query("delimiter"),
            query("continuation-token"),
        );
        let state = self.state.lock().unwrap();
        let (mut entries, mut more) = (
            Vec::<(String, Option<&(Vec<u8>, DateTime<Utc>)>)>::new(),
            false,
        );
        for (key, object) in state.objects.range(prefix.clone()..) {
            let Some(rest) = key.strip_prefix(&prefix) else {
                break;
            };
            let cut = if delimiter.is_empty() {
                None
            } else {
                rest.find(&delimiter)
            };
            let entry = match cut {
                Some(at) => (format!("{prefix}{}", &rest[..=at]), None),
                None => (key.clone(), Some(object)),
            };
            let known = entries.last().is_some_and(|(last, _)| *last == entry.0);
            if known || (!after.is_empty() && entry.0 <= after) {
                continue;
            }
            if entries.len() == PAGE {
                more = true;
                break;
            }
            entries.push(entry);
        }
        let mut text = String::new();
        for (key, object) in &entries {
            let key = key.replace('&', "&amp;");
            match object {
                None => text.push_str(&format!(
                    "<CommonPrefixes><Prefix>{key}</Prefix></CommonPrefixes>"
                )),
                Some((content, modified)) => text.push_str(&format!(
                    "<Contents><Key>{key}</Key><Size>{}</Size><LastModified>{}</LastModified><ETag>x</ETag></Contents>",
                    content.len(),
                    modified.to_rfc3339(),
                )),
            }
        }
        if let Some((last, _)) = entries.last().filter(|_| more) {
            let last = last.replace('&', "&amp;");
            text.push_str(&format!(
                "<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>"
            ));
        }
        xml(format!("<ListBucketResult>{text}</ListBucketResult>"))
    }
}

fn empty(status: u16) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body: Vec::new(),
    }
}

fn xml(body: String) -> Response {
    Response {
        status: 200,
        headers: vec![("Content-Type", "application/xml".to_string())],
        body: body.into_bytes(),
    }
}

/// As Amazon's servers, with the key id in the answer.
fn error(status: u16, code: &str) -> Response {
    Response {
        status,
        ..xml(format!(
            "<Error><Code>{code}</Code><AWSAccessKeyId>AKIATESTING</AWSAccessKeyId></Error>"
        ))
    }
}

fn tagged(content: &[u8]) -> Response {
    Response {
        headers: vec![("ETag", etag(content))],
        ..empty(200)
    }
}

fn etag(content: &[u8]) -> String {
    let sum = content.iter().fold(0u64, |sum, b| {
        sum.wrapping_mul(31).wrapping_add(u64::from(*b))
    });
    format!("\"{sum:x}\"")
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let hex: String = rest.by_ref().take(2).map(char::from).collect();
                bytes.push(u8::from_str_radix(&hex, 16).unwrap());
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).unwrap()
}
