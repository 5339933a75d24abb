//! What runs on which kind of table: every statement is run on a table of every kind, through the front door. The page
//! `docs/src/sql/matrix.md` shows what came of it; `PAIMON_BOOK=write` writes it anew.
//!
//! A statement works when its rows are right afterwards. It is refused when its error says so and the rows are as they were.
//! Anything else fails the test.

mod kinds;
mod page;
mod statements;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::DataFusionError;
use futures::{StreamExt, stream};
use paimon_core::ErrorKind;
use paimon_datafusion::{PaimonSession, paimon_error};

use self::kinds::{Kind, SECTIONS, Section};
use self::statements::{ALL_ROWS, BASE, GROUPS, SETTLE, Statement};
use crate::layered::Layered;

/// What came of a statement on a kind of table.
#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    Works,
    /// With the reason.
    Refused(String),
    /// There is no such table.
    NoTable,
}

/// Outcomes by the place of the kind in its section, for each statement in the order of [`GROUPS`].
type Rows = Vec<Vec<Outcome>>;

#[tokio::test(flavor = "multi_thread")]
async fn the_matrix_shows_what_runs() {
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for section in SECTIONS {
        found.push(outcomes(section, &mut wrong).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let page = page::render(&found);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/sql/matrix.md");
    if std::env::var("PAIMON_BOOK").is_ok_and(|v| v == "write") {
        std::fs::write(path, page).unwrap();
        return;
    }
    let shown = std::fs::read_to_string(path).unwrap();
    for (shown, now) in shown.lines().zip(page.lines()) {
        assert_eq!(shown, now, "run with PAIMON_BOOK=write when this is meant");
    }
    assert_eq!(shown.len(), page.len());
}

/// Runs all statements on the kinds of a section. Cases that neither work nor are refused go to `wrong`.
async fn outcomes(section: &'static Section, wrong: &mut Vec<String>) -> Rows {
    let statements = GROUPS.iter().flat_map(|(_, own)| own.iter());
    let cases = statements.flat_map(|s| section.kinds.iter().map(move |kind| (s, kind)));
    let runs = cases.map(|(statement, kind)| {
        let name = format!("{} on {}: {}", statement.name, section.title, kind.name);
        let run = tokio::spawn(outcome(kind, statement));
        async move {
            run.await
                .unwrap()
                .map_err(|error| format!("{name}: {error}"))
        }
    });
    let all: Vec<_> = stream::iter(runs).buffered(4).collect().await;
    let all: Vec<Outcome> = all
        .into_iter()
        .map(|outcome| {
            outcome.unwrap_or_else(|error| {
                wrong.push(error);
                Outcome::NoTable
            })
        })
        .collect();
    all.chunks(section.kinds.len()).map(<[_]>::to_vec).collect()
}

/// Runs a statement on a table of its own.
///
/// # Errors
/// When it neither works nor is refused.
async fn outcome(kind: &'static Kind, statement: &'static Statement) -> Result<Outcome, String> {
    let folder = tempfile::tempdir().unwrap();
    let case = Case {
        session: session(kind, folder.path()),
        kind,
    };
    if let Err(error) = case.set_up().await {
        let reason = reason(&error)?;
        return Ok(match statement.makes_table {
            true => Outcome::Refused(reason),
            false => Outcome::NoTable,
        });
    }
    same(BASE, &case.ask(ALL_ROWS).await.map_err(text)?)?;
    for sql in statement.prepare {
        if let Err(error) = case.step(sql).await {
            return reason(&error).map(Outcome::Refused);
        }
    }
    let before = case.ask(ALL_ROWS).await.map_err(text)?;
    let rows = match statement.run {
        "" => case.ask(statement.ask).await,
        run => match case.step(run).await {
            Ok(()) => {
                case.step(SETTLE).await.map_err(text)?;
                Ok(case.ask(statement.ask).await.map_err(text)?)
            }
            Err(error) => Err(error),
        },
    };
    match rows {
        Ok(rows) => same(statement.rows, &rows).map(|()| Outcome::Works),
        Err(error) => {
            same(&before, &case.ask(ALL_ROWS).await.map_err(text)?)?;
            reason(&error).map(Outcome::Refused)
        }
    }
}

fn same(expected: &str, found: &str) -> Result<(), String> {
    match expected == found {
        true => Ok(()),
        false => Err(format!("expected {expected}, found {found}")),
    }
}

fn text(error: DataFusionError) -> String {
    error.to_string()
}

/// Why a statement was refused.
///
/// # Errors
/// For an error that tells of something else.
fn reason(error: &DataFusionError) -> Result<String, String> {
    let Some(own) = paimon_error(error) else {
        return match error.find_root() {
            DataFusionError::Plan(text) => Ok(text.clone()),
            other => Err(other.to_string()),
        };
    };
    let by_name = matches!(
        own.kind(),
        ErrorKind::Unsupported | ErrorKind::InvalidInput | ErrorKind::NotFound
    );
    if !by_name {
        return Err(own.to_string());
    }
    let option = own.context().iter().find(|(key, _)| *key == "option");
    Ok(match option {
        Some((_, key)) if !own.message().contains(key.as_str()) => {
            format!("{} (`{key}`)", own.message())
        }
        _ => own.message().to_string(),
    })
}

fn session(kind: &Kind, folder: &Path) -> PaimonSession {
    let session = PaimonSession::new();
    let name = "matrix";
    if kind.is_format_table {
        session.register_catalog(Arc::new(Layered::new(name, folder)));
    } else {
        let warehouse = folder.to_str().unwrap().to_string();
        let options = BTreeMap::from([("warehouse".to_string(), warehouse)]);
        session.create_catalog(name, options).unwrap();
    }
    session.use_catalog(name).unwrap();
    session
}

struct Case {
    session: PaimonSession,
    kind: &'static Kind,
}

impl Case {
    async fn set_up(&self) -> Result<(), DataFusionError> {
        self.step(&self.kind.create()).await?;
        self.step("INSERT INTO t VALUES (1, 10, 'a', 1), (2, 20, 'b', 1), (3, 30, 'c', 2)")
            .await?;
        self.step(SETTLE).await
    }

    /// Runs one statement; [`SETTLE`] makes rows visible that wait for a compaction.
    async fn step(&self, sql: &str) -> Result<(), DataFusionError> {
        let sql = match sql {
            SETTLE if self.kind.rows_wait => "CALL sys.compact('t')",
            SETTLE => return Ok(()),
            other => other,
        };
        self.session.sql(sql).await?.collect().await.map(drop)
    }

    /// The rows of a query: columns with a blank between them, rows in order with ` | ` between them.
    async fn ask(&self, sql: &str) -> Result<String, DataFusionError> {
        let batches = self.session.sql(sql).await?.collect().await?;
        let options = FormatOptions::default().with_null("NULL");
        let mut rows = Vec::new();
        for batch in &batches {
            let columns = batch.columns().iter();
            let columns: Vec<_> = columns
                .map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap())
                .collect();
            for row in 0..batch.num_rows() {
                let cells = columns.iter().map(|c| c.value(row).to_string());
                rows.push(cells.collect::<Vec<_>>().join(" "));
            }
        }
        Ok(rows.join(" | "))
    }
}
