//! The tutorial and the cookbook print what they show.
//!
//! A page is a notebook: every `sql` block is a cell, a `text` block behind it is what the program prints. All cells of
//! a page run in one session on an empty warehouse. With `PAIMON_BOOK=write` the blocks are written anew.

use std::fmt::Write;
use std::path::Path;

use crate::support::paimon;

const PAGES: &[&str] = &["tutorial.md", "cookbook.md"];

/// A piece of a page.
enum Part<'a> {
    /// Lines that are no block of a cell.
    Prose(&'a str),
    Sql(&'a str),
    Output,
}

fn parts(page: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find("```sql\n") {
        let (prose, block) = rest.split_at(at);
        parts.push(Part::Prose(prose));
        let (sql, after) = fenced(block, "```sql\n");
        parts.push(Part::Sql(sql));
        rest = after;
        let behind = rest.trim_start_matches('\n');
        if behind.starts_with("```text\n") {
            rest = fenced(behind, "```text\n").1;
            parts.push(Part::Output);
        }
    }
    parts.push(Part::Prose(rest));
    parts
}

/// The inside of the block that `text` begins with, and what is behind it.
fn fenced<'a>(text: &'a str, begin: &str) -> (&'a str, &'a str) {
    let inside = text.strip_prefix(begin).unwrap();
    inside.split_once("```\n").expect("a block has no end")
}

/// What each cell prints.
fn run(cells: &[&str]) -> Vec<String> {
    let warehouse = tempfile::tempdir().unwrap();
    let mut arguments = vec!["-q"];
    let marks: Vec<String> = (0..cells.len())
        .map(|at| format!("SELECT '{}' AS mark", mark(at)))
        .collect();
    for (cell, mark) in cells.iter().zip(&marks) {
        arguments.extend(["-c", *cell, "-c", mark]);
    }
    let run = paimon(warehouse.path(), &arguments);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let mut rest = run.stdout.as_str();
    let mut printed = Vec::new();
    for at in 0..cells.len() {
        let rule = format!("+{}+\n", "-".repeat(mark(at).len() + 2));
        let head = format!("{rule}| {:w$} |\n", "mark", w = mark(at).len());
        let table = format!("{head}{rule}| {} |\n{rule}", mark(at));
        let (own, later) = rest.split_once(&table).unwrap();
        printed.push(own.to_string());
        rest = later;
    }
    printed
}

fn mark(cell: usize) -> String {
    format!("end of cell {cell:03}")
}

/// The page with what its cells print now.
fn written_anew(page: &str) -> (String, usize) {
    let parts = parts(page);
    let cells: Vec<&str> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Sql(sql) => Some(*sql),
            _ => None,
        })
        .collect();
    let mut printed = run(&cells).into_iter();
    let mut out = String::new();
    for part in &parts {
        match part {
            Part::Prose(text) => out.push_str(text),
            Part::Output => {}
            Part::Sql(sql) => {
                write!(out, "```sql\n{sql}```\n").unwrap();
                let output = printed.next().unwrap();
                if !output.is_empty() {
                    write!(out, "\n```text\n{output}```\n").unwrap();
                }
            }
        }
    }
    (out, cells.len())
}

#[test]
fn pages_show_what_the_program_prints() {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src");
    let rewrite = std::env::var("PAIMON_BOOK").is_ok_and(|v| v == "write");
    for name in PAGES {
        let path = book.join(name);
        let page = std::fs::read_to_string(&path).unwrap();
        let (now, cells) = written_anew(&page);
        assert!(cells >= 15, "{name} has {cells} cells");
        if rewrite {
            std::fs::write(path, now).unwrap();
            continue;
        }
        for (shown, printed) in page.lines().zip(now.lines()) {
            assert_eq!(shown, printed, "{name}");
        }
        assert_eq!(page.len(), now.len(), "{name}");
    }
}
