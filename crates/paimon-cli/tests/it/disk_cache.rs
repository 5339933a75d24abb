//! Blocks on local disk that one process leaves to the next, before a real server: `services/run.sh cache` starts one and
//! names it as `PAIMON_TEST_S3_WAREHOUSE` and `PAIMON_TEST_S3_OPTIONS`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::support::{Run, command};

const QUERY: &str = "SELECT count(*), sum(id), min(v), max(v), sum(length(v)) FROM t";
const BLOCK: &str = "64 kb";

/// Passes connections on to a server and writes down what is asked for. Nothing is sent through it but requests without a body.
struct Ears {
    endpoint: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Ears {
    fn new(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (server, log) = (
            server.trim_start_matches("http://").to_string(),
            heard.clone(),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let onwards = TcpStream::connect(&server).unwrap();
                let (back, log) = (
                    (onwards.try_clone().unwrap(), stream.try_clone().unwrap()),
                    log.clone(),
                );
                std::thread::spawn(move || pass(back.0, back.1, |_| ()));
                let mut line = Vec::new();
                std::thread::spawn(move || {
                    pass(stream, onwards, |bytes| {
                        for byte in bytes {
                            line.push(*byte);
                            if *byte == b'\n' {
                                let text = String::from_utf8_lossy(&line).into_owned();
                                line.clear();
                                if text.starts_with("GET ") || text.starts_with("HEAD ") {
                                    log.lock().unwrap().push(text);
                                }
                            }
                        }
                    })
                });
            }
        });
        Self { endpoint, heard }
    }

    /// Requests for data files since this was asked last.
    fn data_requests(&self) -> usize {
        let lines: Vec<String> = std::mem::take(&mut self.heard.lock().unwrap());
        lines.iter().filter(|line| line.contains("/data-")).count()
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut look: impl FnMut(&[u8])) {
    let mut buffer = [0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        look(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

/// A table on the server, and a folder for caches.
struct Fixture {
    ears: Ears,
    folder: tempfile::TempDir,
    catalog: Vec<String>,
    /// What the query gives without a cache.
    expected: String,
}

impl Fixture {
    /// `None`, with a message, when no server is named.
    fn new(name: &str) -> Option<Self> {
        let named = |key| std::env::var(key).ok();
        let (Some(warehouse), Some(options)) = (
            named("PAIMON_TEST_S3_WAREHOUSE"),
            named("PAIMON_TEST_S3_OPTIONS"),
        ) else {
            eprintln!("left out: PAIMON_TEST_S3_WAREHOUSE names no server");
            return None;
        };
        let warehouse = format!("{warehouse}/cache-{name}-{}", std::process::id());
        let direct = catalog(&warehouse, &options, None);
        let make = "CREATE TABLE t (id BIGINT, p INT, v STRING) PARTITIONED BY (p);
            INSERT INTO t SELECT value, CAST(value % 4 AS INT), concat(md5(CAST(value AS STRING)), md5(CAST(-value AS STRING)))
            FROM generate_series(1, 120000)";
        let made = run(command().args(&direct), make);
        assert_eq!(made.code, 0, "{}", made.stderr);
        let plain = run(command().args(&direct), QUERY);
        assert_eq!(plain.code, 0, "{}", plain.stderr);
        assert!(plain.stdout.contains("120000"), "{}", plain.stdout);
        let endpoint = options
            .split(',')
            .find_map(|option| option.strip_prefix("s3.endpoint="))
            .unwrap();
        let ears = Ears::new(endpoint);
        Some(Self {
            catalog: catalog(&warehouse, &options, Some(&ears.endpoint)),
            ears,
            folder: tempfile::tempdir().unwrap(),
            expected: plain.stdout,
        })
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// The program's arguments for a cache of a size.
    fn arguments(&self, size: &str) -> Vec<String> {
        let mut arguments = self.catalog.clone();
        for option in [
            "local-cache.enabled=true",
            "local-cache.whitelist=*",
            &format!("local-cache.block-size={BLOCK}"),
            &format!("local-cache.dir={}", self.cache().display()),
            &format!("local-cache.max-size={size}"),
            "local-cache.memory-size=1 mb",
        ] {
            arguments.extend(["--catalog-option".to_string(), option.to_string()]);
        }
        arguments
    }

    /// Runs the query in a process of its own, whose rows must be right: how many requests for data files that took.
    fn query(&self, size: &str) -> usize {
        self.query_by(command().args(self.arguments(size)))
    }

    fn query_by(&self, program: &mut Command) -> usize {
        self.ears.data_requests();
        let run = run(program, QUERY);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert_eq!(run.stdout, self.expected, "{}", run.stderr);
        self.ears.data_requests()
    }

    fn bytes_on_disk(&self) -> u64 {
        let files = std::fs::read_dir(self.cache()).unwrap();
        files.map(|f| f.unwrap().metadata().unwrap().len()).sum()
    }

    /// The files that hold blocks.
    fn files(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.cache()).unwrap();
        let files = files.map(|f| f.unwrap().path());
        files.filter(|f| f.file_name().unwrap() != "LOCK").collect()
    }
}

fn catalog(warehouse: &str, options: &str, endpoint: Option<&str>) -> Vec<String> {
    let mut arguments = vec![
        "-q".to_string(),
        "--warehouse".to_string(),
        warehouse.to_string(),
    ];
    for option in options.split(',') {
        let option = match endpoint {
            Some(endpoint) if option.starts_with("s3.endpoint=") => {
                format!("s3.endpoint={endpoint}")
            }
            _ => option.to_string(),
        };
        arguments.extend(["--catalog-option".to_string(), option]);
    }
    arguments
}

fn run(program: &mut Command, sql: &str) -> Run {
    let output = program.args(["-c", sql]).stdin(Stdio::null()).output();
    output.unwrap().into()
}

/// The sum of a metric over all nodes of an analysed plan.
fn metric(plan: &str, name: &str) -> f64 {
    let key = format!("{name}=");
    let values = plan.split(&key).skip(1);
    values
        .map(|rest| {
            let end = rest.find([',', ']']).unwrap();
            let text = rest[..end].trim();
            let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
            let factor = match unit {
                "K" => 1e3,
                "M" => 1e6,
                _ => 1.0,
            };
            number.parse::<f64>().unwrap() * factor
        })
        .sum()
}

#[test]
fn the_second_process_reads_no_data_from_the_server_and_says_so() {
    let Some(fixture) = Fixture::new("again") else {
        return;
    };
    let first = fixture.query("64 mb");
    assert!(first >= 4, "{first} requests for four files");
    assert_eq!(fixture.query("64 mb"), 0);
    let program = &mut command();
    let shown = run(
        program.args(fixture.arguments("64 mb")),
        &format!("EXPLAIN ANALYZE {QUERY}"),
    );
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert!(
        metric(&shown.stdout, "cache_hits") > 0.0,
        "{}",
        shown.stdout
    );
    for none in ["cache_misses", "cache_requests"] {
        assert_eq!(metric(&shown.stdout, none), 0.0, "{}", shown.stdout);
    }
    assert_eq!(fixture.ears.data_requests(), 0);
}

#[test]
fn a_process_that_ends_at_once_leaves_all_blocks_that_it_read() {
    const SHORT: &str = "SELECT count(*) FROM t WHERE id < 10";
    let Some(fixture) = Fixture::new("ends") else {
        return;
    };
    for round in 0..8 {
        std::fs::remove_dir_all(fixture.cache()).ok();
        for process in 0..2 {
            fixture.ears.data_requests();
            let run = run(command().args(fixture.arguments("64 mb")), SHORT);
            assert_eq!(run.code, 0, "{}", run.stderr);
            let requests = fixture.ears.data_requests();
            assert_eq!(requests > 0, process == 0, "{requests} in round {round}");
        }
    }
}

#[test]
fn the_folder_stays_within_its_size_and_rows_are_right_when_not_all_fits() {
    let Some(fixture) = Fixture::new("small") else {
        return;
    };
    // some three times as much as there is room
    for round in 0..3 {
        assert!(fixture.query("2 mb") > 0, "{round}");
        let bytes = fixture.bytes_on_disk();
        assert!(bytes <= 2 << 20, "{bytes} bytes in round {round}");
    }
}

#[test]
fn a_damaged_cache_gives_the_same_rows_and_is_filled_again() {
    let Some(fixture) = Fixture::new("damaged") else {
        return;
    };
    let flip = |file: &Path, step: usize| {
        let mut bytes = std::fs::read(file).unwrap();
        for byte in bytes.iter_mut().step_by(step) {
            *byte ^= 0x55;
        }
        std::fs::write(file, bytes).unwrap();
    };
    let damages: [(&str, &dyn Fn(&Path)); 7] = [
        ("some bytes", &|file| flip(file, 4099)),
        ("every byte", &|file| flip(file, 1)),
        ("cut", &|file| {
            let length = file.metadata().unwrap().len();
            let file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
            file.set_len(length / 2).unwrap();
        }),
        ("empty", &|file| std::fs::write(file, b"").unwrap()),
        ("zeros", &|file| {
            let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
            std::fs::write(file, vec![0; length]).unwrap();
        }),
        ("gone", &|file| std::fs::remove_file(file).unwrap()),
        ("a folder", &|file| {
            std::fs::remove_file(file).unwrap();
            std::fs::create_dir(file).unwrap();
        }),
    ];
    for (what, damage) in damages {
        std::fs::remove_dir_all(fixture.cache()).ok();
        fixture.query("64 mb");
        assert!(!fixture.files().is_empty());
        for file in fixture.files() {
            damage(&file);
        }
        println!("{what}: {} requests", fixture.query("64 mb"));
        if what != "a folder" {
            fixture.query("64 mb");
            assert_eq!(fixture.query("64 mb"), 0, "after {what}");
        }
    }
}

#[test]
fn a_folder_that_cannot_be_written_to_makes_no_error() {
    let Some(fixture) = Fixture::new("closed") else {
        return;
    };
    std::fs::write(fixture.cache(), "a file where the folder should be").unwrap();
    assert!(fixture.query("64 mb") > 0);
    std::fs::remove_file(fixture.cache()).unwrap();
    // no file may grow beyond a megabyte, as on a disk that is full
    let limited = |arguments: Vec<String>| {
        let mut shell = Command::new("bash");
        let program = command().get_program().to_owned();
        shell.args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$@\"", "limited"]);
        shell.arg(program).args(arguments);
        shell
    };
    for _ in 0..2 {
        let requests = fixture.query_by(&mut limited(fixture.arguments("64 mb")));
        assert!(requests > 0);
    }
    // room again
    fixture.query("64 mb");
    assert_eq!(fixture.query("64 mb"), 0);
}

#[test]
fn processes_that_share_a_folder_all_have_the_right_rows() {
    let Some(fixture) = Fixture::new("shared") else {
        return;
    };
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| run(command().args(fixture.arguments("64 mb")), QUERY)))
            .collect();
        for run in runs {
            let run = run.join().unwrap();
            assert_eq!(
                (run.code, &run.stdout),
                (0, &fixture.expected),
                "{}",
                run.stderr
            );
        }
    });
    fixture.query("64 mb");
    assert_eq!(fixture.query("64 mb"), 0);
}
