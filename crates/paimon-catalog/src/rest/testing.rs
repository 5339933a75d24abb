//! A service that answers what a test tells it to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as the service saw it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// `GET /v1/config?warehouse=wh`
    pub(super) line: String,
    pub(super) token: String,
    pub(super) body: String,
    /// All lines before the body.
    head: String,
}

impl Seen {
    /// The value of a header; empty without it.
    pub(super) fn header(&self, name: &str) -> String {
        let lines = self.head.lines().filter_map(|l| l.split_once(": "));
        let mut found = lines.filter(|(k, _)| k.eq_ignore_ascii_case(name));
        found.next().map(|(_, v)| v.to_string()).unwrap_or_default()
    }
}

/// What the service answers: a code and a body, or nothing at all.
pub(super) type Answer = Option<(u16, String)>;

type Handler = dyn Fn(usize, &Seen) -> Answer + Send + Sync;

pub(super) struct Service {
    pub(super) uri: String,
    pub(super) seen: Arc<Mutex<Vec<Seen>>>,
}

impl Service {
    /// `handler` is given the number of earlier requests with the same line.
    pub(super) async fn start(
        handler: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (log, handler): (_, Arc<Handler>) = (seen.clone(), Arc::new(handler));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, log.clone(), handler.clone()));
            }
        });
        Self { uri, seen }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|s| s.line.clone()).collect()
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<Seen>>>, handler: Arc<Handler>) {
    let mut bytes = Vec::new();
    let head = loop {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.unwrap_or(0);
        if read == 0 {
            return;
        }
        bytes.extend_from_slice(&chunk[..read]);
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_string();
    let line = text.lines().next().unwrap().trim_end_matches(" HTTP/1.1");
    let mut seen = Seen {
        line: line.to_string(),
        token: String::new(),
        body: String::new(),
        head: text.clone(),
    };
    seen.token = seen
        .header("authorization")
        .trim_start_matches("Bearer ")
        .to_string();
    let length: usize = seen.header("content-length").parse().unwrap_or(0);
    let mut body = bytes.split_off(head);
    while body.len() < length {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.unwrap_or(0);
        if read == 0 {
            return;
        }
        body.extend_from_slice(&chunk[..read]);
    }
    seen.body = String::from_utf8(body).unwrap();
    let earlier = {
        let mut log = log.lock().unwrap();
        let earlier = log.iter().filter(|s| s.line == seen.line).count();
        log.push(seen.clone());
        earlier
    };
    if let Some((code, answer)) = handler(earlier, &seen) {
        let head = format!(
            "HTTP/1.1 {code} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            answer.len()
        );
        let _ = stream.write_all(format!("{head}{answer}").as_bytes()).await;
    }
}
