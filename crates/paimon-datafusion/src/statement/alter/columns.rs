//! The clauses that are about columns.

use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::tokenizer::Token;
use paimon_core::schema::{ColumnPath, ColumnPosition, SchemaChange};
use paimon_core::spec::DataType;

use super::Action;
use crate::parse::Cursor;
use crate::statement::ddl::{constant, data_type};
use crate::statement::ident_text;

/// Reads a clause of columns other than DROP; `None` when it is none.
///
/// # Errors
/// When it is malformed or not supported.
pub(super) fn changes(cursor: &mut Cursor) -> Result<Option<Action>> {
    if cursor.keyword("ADD") {
        return add(cursor).map(Some);
    }
    Ok(changes_of_present(cursor)?.map(Action::Schema))
}

/// The clauses about columns that are there.
fn changes_of_present(cursor: &mut Cursor) -> Result<Option<Vec<SchemaChange>>> {
    if cursor.keyword("MODIFY") {
        cursor.one_of(&["COLUMNS", "COLUMN"]);
        let changes = listed(cursor, modify)?;
        return Ok(Some(changes.concat()));
    }
    if cursor.one_of(&["ALTER", "CHANGE"]).is_some() {
        cursor.keyword("COLUMN");
        return alter(cursor).map(Some);
    }
    let mut ahead = cursor.clone();
    if ahead.keyword("RENAME") && !ahead.keyword("TO") {
        let column = ahead.keyword("COLUMN");
        // RENAME TAG is another statement, RENAME tag TO .. is not
        let tag = ahead.clone().keyword("TAG") && !ahead.clone().keywords(&["TAG", "TO"]);
        if column || !tag {
            *cursor = ahead;
            return rename(cursor).map(|change| Some(vec![change]));
        }
    }
    Ok(None)
}

/// Reads behind DROP.
///
/// # Errors
/// When it is malformed.
pub(super) fn drop(cursor: &mut Cursor) -> Result<Vec<SchemaChange>> {
    cursor.one_of(&["COLUMNS", "COLUMN"]);
    if cursor.keywords(&["IF", "EXISTS"]) {
        return Err(DataFusionError::NotImplemented(
            "DROP COLUMN IF EXISTS is not supported: name columns that exist".into(),
        ));
    }
    let paths = match cursor.peek() {
        Some(Token::LParen) => listed(cursor, path)?,
        _ => {
            let mut paths = vec![path(cursor)?];
            while cursor.eat(&Token::Comma) {
                paths.push(path(cursor)?);
            }
            paths
        }
    };
    let drop = |path| SchemaChange::DropColumn { path };
    Ok(paths.into_iter().map(drop).collect())
}

fn add(cursor: &mut Cursor) -> Result<Action> {
    cursor.one_of(&["COLUMNS", "COLUMN"]);
    let if_missing = cursor.keywords(&["IF", "NOT", "EXISTS"]);
    let changes = listed(cursor, |cursor| {
        let path = path(cursor)?;
        let Definition {
            data_type,
            comment,
            position,
        } = definition(cursor)?;
        Ok(SchemaChange::AddColumn {
            path,
            data_type,
            comment,
            position,
        })
    })?;
    Ok(match if_missing {
        true => Action::AddMissing(changes),
        false => Action::Schema(changes),
    })
}

/// A column as ADD and MODIFY describe it.
struct Definition {
    data_type: DataType,
    comment: Option<String>,
    position: Option<ColumnPosition>,
}

fn definition(cursor: &mut Cursor) -> Result<Definition> {
    let mut definition = Definition {
        data_type: data_type(cursor)?,
        comment: None,
        position: None,
    };
    loop {
        if cursor.keywords(&["NOT", "NULL"]) {
            definition.data_type.nullable = false;
        } else if cursor.keyword("NULL") {
            definition.data_type.nullable = true;
        } else if cursor.keyword("COMMENT") {
            definition.comment = Some(cursor.string()?);
        } else if let Some(position) = position(cursor)? {
            definition.position = Some(position);
        } else if cursor.keyword("DEFAULT") {
            return Err(DataFusionError::NotImplemented(
                "DEFAULT is not supported here, as rows that are there would stay null: use ALTER COLUMN .. SET DEFAULT \
                 for the rows to come"
                    .into(),
            ));
        } else {
            return Ok(definition);
        }
    }
}

/// Flink's description of a column that is there.
fn modify(cursor: &mut Cursor) -> Result<Vec<SchemaChange>> {
    let path = path(cursor)?;
    let new = definition(cursor)?;
    let mut changes = vec![SchemaChange::UpdateColumnType {
        path: path.clone(),
        data_type: new.data_type,
        keep_nullability: false,
    }];
    if new.comment.is_some() {
        changes.push(SchemaChange::UpdateColumnComment {
            path: path.clone(),
            comment: new.comment,
        });
    }
    if let Some(position) = new.position {
        changes.push(shift(path, position)?);
    }
    Ok(changes)
}

/// Spark's change of one column.
fn alter(cursor: &mut Cursor) -> Result<Vec<SchemaChange>> {
    let path = path(cursor)?;
    let change = if cursor.keyword("TYPE") || cursor.keywords(&["SET", "DATA", "TYPE"]) {
        SchemaChange::UpdateColumnType {
            path,
            data_type: data_type(cursor)?,
            keep_nullability: true,
        }
    } else if cursor.keyword("COMMENT") {
        SchemaChange::UpdateColumnComment {
            path,
            comment: Some(cursor.string()?),
        }
    } else if cursor.keywords(&["DROP", "NOT", "NULL"]) {
        let nullable = true;
        SchemaChange::UpdateColumnNullability { path, nullable }
    } else if cursor.keywords(&["SET", "NOT", "NULL"]) {
        let nullable = false;
        SchemaChange::UpdateColumnNullability { path, nullable }
    } else if cursor.keywords(&["SET", "DEFAULT"]) {
        SchemaChange::UpdateColumnDefault {
            path,
            default: constant(cursor)?,
        }
    } else if cursor.keywords(&["DROP", "DEFAULT"]) {
        SchemaChange::UpdateColumnDefault {
            path,
            default: None,
        }
    } else if let Some(position) = position(cursor)? {
        shift(path, position)?
    } else {
        return cursor
            .expected("TYPE, COMMENT, FIRST, AFTER, SET or DROP NOT NULL, SET or DROP DEFAULT");
    };
    Ok(vec![change])
}

fn rename(cursor: &mut Cursor) -> Result<SchemaChange> {
    let path = path(cursor)?;
    if !cursor.keyword("TO") {
        return cursor.expected("TO");
    }
    match cursor.object_name()?.as_slice() {
        [to] => Ok(SchemaChange::RenameColumn {
            path,
            to: ident_text(to),
        }),
        _ => cursor.expected("the new name of the column"),
    }
}

fn shift(path: ColumnPath, position: ColumnPosition) -> Result<SchemaChange> {
    match <[String; 1]>::try_from(path) {
        Ok([column]) => Ok(SchemaChange::UpdateColumnPosition { column, position }),
        Err(path) => Err(DataFusionError::NotImplemented(format!(
            "field {} cannot be moved: only columns can",
            path.join(".")
        ))),
    }
}

fn position(cursor: &mut Cursor) -> Result<Option<ColumnPosition>> {
    let make: fn(String) -> ColumnPosition = if cursor.keyword("FIRST") {
        return Ok(Some(ColumnPosition::First));
    } else if cursor.keyword("LAST") {
        return Ok(Some(ColumnPosition::Last));
    } else if cursor.keyword("AFTER") {
        ColumnPosition::After
    } else if cursor.keyword("BEFORE") {
        ColumnPosition::Before
    } else {
        return Ok(None);
    };
    match cursor.object_name()?.as_slice() {
        [name] => Ok(Some(make(ident_text(name)))),
        _ => cursor.expected("the name of a column"),
    }
}

/// `a` or `a.b`.
fn path(cursor: &mut Cursor) -> Result<ColumnPath> {
    Ok(cursor.object_name()?.iter().map(ident_text).collect())
}

/// One thing, or several in parentheses.
fn listed<T>(
    cursor: &mut Cursor,
    mut read: impl FnMut(&mut Cursor) -> Result<T>,
) -> Result<Vec<T>> {
    if !cursor.eat(&Token::LParen) {
        let mut found = vec![read(cursor)?];
        while cursor.eat(&Token::Comma) {
            found.push(read(cursor)?);
        }
        return Ok(found);
    }
    let mut found = Vec::new();
    loop {
        found.push(read(cursor)?);
        if cursor.eat(&Token::RParen) {
            return Ok(found);
        }
        if !cursor.eat(&Token::Comma) {
            return cursor.expected(", or )");
        }
    }
}
