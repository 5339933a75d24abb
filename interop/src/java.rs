//! Java Paimon in a process of its own: requests as JSON lines, answered in any order.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(120);

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

/// A running JVM with one release of Paimon. It ends when this is dropped.
pub struct Java {
    stdin: Mutex<Option<ChildStdin>>,
    waiting: Waiting,
    last_id: AtomicU64,
    child: Mutex<Child>,
}

impl Java {
    /// Starts `java` with this class path. `threads` requests run at a time.
    ///
    /// # Errors
    /// A text when the process cannot be started.
    pub fn start(class_path: &str, threads: usize) -> Result<Self, String> {
        let mut child = Command::new("java")
            .args(["-Xmx1500m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .args(["--add-opens=java.base/java.nio=ALL-UNNAMED"])
            .args(["-Duser.timezone=UTC", "-Dfile.encoding=UTF-8"])
            .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
            .args(["-cp", class_path, "interop.Main", &threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("java does not start: {e}"))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or("java has no output")?;
        let waiting = Waiting::default();
        let answers = Arc::clone(&waiting);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { break };
                deliver(&answers, &line);
            }
            // nobody answers any more: every waiting request ends
            lock(&answers).clear();
        });
        Ok(Self {
            stdin: Mutex::new(stdin),
            waiting,
            last_id: AtomicU64::new(0),
            child: Mutex::new(child),
        })
    }

    /// Sends a command about a table, with more fields of the request in `more`.
    ///
    /// # Errors
    /// Java's reasons, or that it ended or did not answer.
    pub async fn ask(&self, command: &str, table: &Path, more: Value) -> Result<Value, String> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed);
        let mut request = more;
        request["id"] = json!(id);
        request["command"] = json!(command);
        request["table"] = json!(table);
        let (sender, answer) = oneshot::channel();
        lock(&self.waiting).insert(id, sender);
        {
            let mut stdin = lock(&self.stdin);
            let pipe = stdin.as_mut().ok_or("java has no input")?;
            writeln!(pipe, "{request}").map_err(|e| format!("java is gone: {e}"))?;
        }
        let answer = tokio::time::timeout(PATIENCE, answer)
            .await
            .map_err(|_| format!("no answer to {command} in {} s", PATIENCE.as_secs()))?
            .map_err(|_| "java ended".to_string())?;
        match answer.get("error") {
            Some(error) => Err(error.as_str().unwrap_or_default().to_string()),
            None => Ok(answer),
        }
    }
}

impl Drop for Java {
    fn drop(&mut self) {
        // the end of its input is the end of the process
        lock(&self.stdin).take();
        if let Err(error) = lock(&self.child).wait() {
            eprintln!("java: {error}");
        }
    }
}

fn deliver(waiting: &Waiting, line: &str) {
    match serde_json::from_str::<Value>(line) {
        Ok(answer) => {
            let id = answer["id"].as_u64().unwrap_or(u64::MAX);
            if let Some(sender) = lock(waiting).remove(&id) {
                // the caller may have given up
                drop(sender.send(answer));
            }
        }
        Err(error) => eprintln!("java printed {line:?}: {error}"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
