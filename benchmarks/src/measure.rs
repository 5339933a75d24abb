//! Runs a program as a process of its own and measures it from outside.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::Result;

/// What one process cost.
#[derive(Debug, Clone, Default)]
pub struct ProcessCost {
    /// Start to exit, milliseconds.
    pub wall_ms: f64,
    /// User and system time, milliseconds (Linux; 0 elsewhere).
    pub cpu_ms: f64,
    /// Largest resident memory seen, KiB (Linux; 0 elsewhere).
    pub peak_rss_kb: u64,
    /// Standard output.
    pub stdout: String,
}

/// What a runner says about itself on its last line.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RunnerReport {
    /// Opening the session and the catalog, milliseconds.
    pub setup_ms: f64,
    /// Each repetition of the statement, milliseconds.
    pub query_ms: Vec<f64>,
    /// Rows of the last result.
    pub rows: usize,
    /// Text of the last result when it is small.
    pub result: String,
    /// User and system time of the process, milliseconds.
    pub cpu_ms: f64,
    /// Peak resident memory of the process, KiB.
    pub peak_rss_kb: u64,
}

impl RunnerReport {
    /// Fills in what the process cost so far.
    #[must_use]
    pub fn with_own_cost(mut self) -> Self {
        self.cpu_ms = cpu_ms("self");
        self.peak_rss_kb = peak_rss_kb("self");
        self
    }
}

/// Runs `command` to its end.
///
/// # Errors
/// When it cannot be started or fails; the message carries its standard error.
pub fn run_process(command: &mut Command) -> Result<ProcessCost> {
    let start = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let id = child.id().to_string();
    let watched = id.clone();
    let watcher = std::thread::spawn(move || watch(&watched));
    let output = child.wait_with_output()?;
    let wall_ms = start.elapsed().as_secs_f64() * 1e3;
    let (cpu_ms, peak_rss_kb) = watcher.join().unwrap_or_default();
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        let message: String = message.lines().take(3).collect::<Vec<_>>().join(" ");
        return Err(format!("{}: {message}", output.status).into());
    }
    Ok(ProcessCost {
        wall_ms,
        cpu_ms,
        peak_rss_kb,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
    })
}

/// Reads the counters of a process until it is gone.
fn watch(id: &str) -> (f64, u64) {
    let (mut cpu, mut peak) = (0.0, 0);
    loop {
        let (cpu_now, peak_now) = (cpu_ms(id), peak_rss_kb(id));
        if peak_now == 0 {
            return (cpu, peak);
        }
        (cpu, peak) = (cpu_now.max(cpu), peak_now.max(peak));
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// CPU time of a process, in the hundredths of a second that Linux counts.
fn cpu_ms(id: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let times = after_name.split_whitespace().skip(11).take(2);
    times
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        * 10.0
}

fn peak_rss_kb(id: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
