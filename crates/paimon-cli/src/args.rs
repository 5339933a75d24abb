//! The command line.

use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};

use crate::size;

/// SQL shell over Apache Paimon tables.
///
/// Without -c, -f and a script on standard input it is interactive.
#[derive(Debug, Clone, Parser)]
#[command(name = "paimon", version)]
pub(crate) struct Args {
    /// Warehouse location; short for --catalog-option warehouse=LOCATION
    #[arg(long, value_name = "LOCATION")]
    pub(crate) warehouse: Option<String>,

    /// Name of the catalog
    #[arg(long, value_name = "NAME")]
    pub(crate) catalog: Option<String>,

    /// Option of the catalog, by Paimon's keys; may be repeated
    #[arg(long = "catalog-option", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) catalog_options: Vec<(String, String)>,

    /// File with named catalogs
    #[arg(long, value_name = "TOML")]
    pub(crate) config: Option<PathBuf>,

    /// Runs SQL and exits; may be repeated and mixed with -f, in order
    #[arg(short, long, value_name = "SQL", allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,

    /// Runs a SQL file and exits; `-` is standard input; may be repeated
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Vec<String>,

    /// Format of results
    #[arg(long, value_enum, default_value_t = Format::Automatic, ignore_case = true)]
    pub(crate) format: Format,

    /// Prints nothing but results
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Memory for queries, such as 256m or 2g
    #[arg(short, long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) memory_limit: Option<u64>,

    /// Disk space for spilled data, such as 10g
    #[arg(short, long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) disk_limit: Option<u64>,

    /// How memory is shared: first come, first served, or evenly among the operators that can spill
    #[arg(long, value_enum, default_value_t = Pool::Fair)]
    pub(crate) mem_pool_type: Pool,

    /// User of commits; with --commit-identifier, running the same writes again adds nothing
    #[arg(long, value_name = "USER", requires = "commit_identifier")]
    pub(crate) commit_user: Option<String>,

    /// Identifier of the first write's commit; later writes take the next ones
    #[arg(long, value_name = "NUMBER", requires = "commit_user")]
    pub(crate) commit_identifier: Option<i64>,

    /// Rows per batch
    #[arg(short, long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch_size: Option<u32>,

    /// Rows that the table format prints: a number or `inf`
    #[arg(short = 'n', long, value_name = "ROWS", default_value = "40", value_parser = max_rows)]
    pub(crate) maxrows: MaxRows,

    /// Colours in the interactive shell and in logs
    #[arg(long, value_enum, value_name = "WHEN", num_args = 0..=1, default_value_t = Color::Auto,
          default_missing_value = "always")]
    pub(crate) color: Color,

    /// One-shot commands
    #[command(subcommand)]
    pub(crate) subcommand: Option<Subcommand>,
}

/// One-shot commands.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Prints a snapshot, schema, tag, manifest list, manifest or index manifest
    Dump {
        /// One JSON value instead of text
        #[arg(long)]
        json: bool,
        /// The file, a path or URL
        file: String,
    },
    /// Checks the invariants of a table; violated ones are printed and make the exit code 4
    Fsck {
        /// One JSON value instead of text
        #[arg(long)]
        json: bool,
        /// db.table
        table: String,
    },
    /// Prints what changes in a table as it changes, until interrupted
    Follow(Follow),
}

/// How to follow a table.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Follow {
    /// Where to start: `latest-full` (the rows that are there, then changes), `latest`, `compacted-full`, `earliest`,
    /// the id of a snapshot, or a UTC time such as `2024-01-31 10:20:30`
    #[arg(long, value_name = "START", default_value = "latest-full")]
    pub(crate) from: String,

    /// Keeps the progress under this name and goes on there; what it has not printed does not expire
    #[arg(long, value_name = "ID")]
    pub(crate) consumer_id: Option<String>,

    /// Appends to a file, with its progress in FILE.progress: after a crash no change is lost or there twice
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Time between two looks for changes
    #[arg(long, value_name = "TIME", default_value = "1 s")]
    pub(crate) poll: String,

    /// Further option of the read, by Paimon's keys; may be repeated
    #[arg(long = "option", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) options: Vec<(String, String)>,

    /// db.table, `db.table$branch_b` for a branch
    pub(crate) table: String,
}

/// Format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Automatic,
    Table,
    Csv,
    Tsv,
    Json,
    #[value(alias = "nd-json")]
    Ndjson,
}

/// Memory pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pool {
    Greedy,
    Fair,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    #[value(alias = "true")]
    Always,
    #[value(alias = "false")]
    Never,
}

impl Color {
    /// Whether to use colours on a stream.
    pub(crate) fn is_used(self, stream_is_terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            // https://no-color.org: an empty value counts as none
            Self::Auto => {
                stream_is_terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
            }
        }
    }
}

/// Rows to print; `None` is all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MaxRows(pub(crate) Option<usize>);

/// One `-c` or `-f`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Command(String),
    File(String),
}

/// The parsed command line.
#[derive(Debug, Clone)]
pub(crate) struct Invocation {
    pub(crate) args: Args,
    /// `-c` and `-f` in the order given.
    pub(crate) sources: Vec<Source>,
}

impl Invocation {
    /// Parses the command line; on bad usage prints why and exits with code 2.
    pub(crate) fn parse() -> Self {
        Self::from(std::env::args_os()).unwrap_or_else(|e| e.exit())
    }

    fn from<I, T>(arguments: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<std::ffi::OsString> + Clone,
    {
        let matches = Args::command().try_get_matches_from(arguments)?;
        let args = Args::from_arg_matches(&matches)?;
        let positions = |id| matches.indices_of(id).into_iter().flatten();
        let commands = positions("command").zip(args.command.iter().cloned().map(Source::Command));
        let files = positions("file").zip(args.file.iter().cloned().map(Source::File));
        let mut sources: Vec<(usize, Source)> = commands.chain(files).collect();
        sources.sort_by_key(|(at, _)| *at);
        Ok(Self {
            args,
            sources: sources.into_iter().map(|(_, source)| source).collect(),
        })
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_string(), value.to_string()))
        }
        _ => Err("KEY=VALUE is expected".to_string()),
    }
}

fn max_rows(text: &str) -> Result<MaxRows, String> {
    if ["inf", "infinite", "none"].contains(&text.to_ascii_lowercase().as_str()) {
        return Ok(MaxRows(None));
    }
    let rows = text
        .parse()
        .map_err(|_| "a number of rows or inf is expected".to_string())?;
    Ok(MaxRows(Some(rows)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn commands_and_files_keep_their_order() {
        let line = [
            "paimon",
            "-f",
            "a.sql",
            "-c",
            "x",
            "--file",
            "b.sql",
            "--command=y",
        ];
        let parsed = Invocation::from(line).unwrap();
        assert_eq!(
            parsed.sources,
            [
                Source::File("a.sql".into()),
                Source::Command("x".into()),
                Source::File("b.sql".into()),
                Source::Command("y".into()),
            ]
        );
        assert_eq!(parsed.args.maxrows, MaxRows(Some(40)));
    }

    #[test]
    fn sql_may_begin_with_a_comment() {
        let parsed = Invocation::from(["paimon", "-c", "-- why\nSELECT 1", "-q"]).unwrap();
        assert_eq!(parsed.sources, [Source::Command("-- why\nSELECT 1".into())]);
        assert!(parsed.args.quiet);
    }

    #[test]
    fn one_shot_commands_take_the_catalog_flags() {
        let line = [
            "paimon",
            "--warehouse",
            "wh",
            "-q",
            "fsck",
            "--json",
            "db.t",
        ];
        let parsed = Invocation::from(line).unwrap();
        assert_eq!(parsed.args.warehouse.as_deref(), Some("wh"));
        assert!(matches!(
            parsed.args.subcommand,
            Some(Subcommand::Fsck { json: true, .. })
        ));
    }

    #[test]
    fn following_has_defaults() {
        let line = [
            "paimon",
            "--warehouse",
            "wh",
            "follow",
            "db.t",
            "--option",
            "a=b",
        ];
        let parsed = Invocation::from(line).unwrap();
        let Some(Subcommand::Follow(follow)) = parsed.args.subcommand else {
            panic!("{parsed:?}");
        };
        assert_eq!(
            (follow.from.as_str(), follow.poll.as_str()),
            ("latest-full", "1 s")
        );
        assert_eq!(follow.options, [("a".to_string(), "b".to_string())]);
    }

    #[test]
    fn bad_usage_is_an_error() {
        for line in [
            &["paimon", "--nope"][..],
            &["paimon", "--catalog-option", "x"],
            &["paimon", "-m", "lots"],
            &["paimon", "-n", "few"],
            &["paimon", "--format", "xml"],
            &["paimon", "dump"],
            &["paimon", "follow"],
        ] {
            assert!(Invocation::from(line).is_err(), "{line:?}");
        }
    }
}
