//! `EXPLAIN` before a statement of ours.

use std::str::FromStr;

use datafusion::common::format::ExplainFormat;
use datafusion::error::Result;
use datafusion::logical_expr::ExplainOption;

use crate::parse::Cursor;

/// Takes `EXPLAIN [ANALYZE] [VERBOSE] [FORMAT name]`; `None` when the statement does not begin with it. Spark's words
/// EXTENDED, FORMATTED, CODEGEN and COST mean VERBOSE.
///
/// # Errors
/// For an unknown format.
pub(crate) fn parse(cursor: &mut Cursor) -> Result<Option<ExplainOption>> {
    if !cursor.keyword("EXPLAIN") {
        return Ok(None);
    }
    let (mut analyze, mut verbose) = (false, false);
    loop {
        if cursor.keyword("ANALYZE") {
            analyze = true;
        } else if cursor
            .one_of(&["VERBOSE", "EXTENDED", "FORMATTED", "CODEGEN", "COST"])
            .is_some()
        {
            verbose = true;
        } else {
            break;
        }
    }
    let mut option = ExplainOption::default()
        .with_verbose(verbose)
        .with_analyze(analyze);
    if cursor.keyword("FORMAT") {
        match cursor.object_name()?.as_slice() {
            [name] => option = option.with_format(ExplainFormat::from_str(&name.value)?),
            _ => return cursor.expected("the name of a format"),
        }
    }
    Ok(Some(option))
}
