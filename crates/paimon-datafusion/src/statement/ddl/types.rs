//! Type names of SQL as Paimon types.

use datafusion::error::Result;
use datafusion::sql::sqlparser::tokenizer::Token;
use paimon_core::spec::{DataType, parse_data_type};

use crate::error::to_datafusion;
use crate::parse::Cursor;

/// Words that end a type where no bracket is open: of columns, and of what functions return.
const ENDS: &[&str] = &[
    "COMMENT",
    "DEFAULT",
    "PRIMARY",
    "FIRST",
    "LAST",
    "AFTER",
    "BEFORE",
    "DETERMINISTIC",
    "LANGUAGE",
    "RETURN",
];

/// Reads a type up to the comma, closing parenthesis or column option behind it.
///
/// # Errors
/// For what is no type.
pub(in crate::statement) fn read(cursor: &mut Cursor) -> Result<DataType> {
    let mut words: Vec<String> = Vec::new();
    // the closing brackets that are owed
    let mut open: Vec<&str> = Vec::new();
    while let Some(token) = cursor.peek().cloned() {
        match &token {
            Token::Comma | Token::RParen if open.is_empty() => break,
            Token::Word(word) if open.is_empty() && ends(cursor, &word.value) => break,
            Token::Word(word) => push_word(&mut words, &word.value, word.quote_style),
            Token::Number(digits, _) => words.push(digits.clone()),
            Token::Comma => words.push(",".into()),
            // STRUCT<a: INT>
            Token::Colon => {}
            Token::Lt => push_open(&mut words, &mut open, "<", ">"),
            Token::LParen if is_nested(&words) => push_open(&mut words, &mut open, "<", ">"),
            Token::LParen => push_open(&mut words, &mut open, "(", ")"),
            Token::Gt | Token::RParen => close(&mut words, &mut open),
            Token::ShiftRight => {
                close(&mut words, &mut open);
                close(&mut words, &mut open);
            }
            _ => return cursor.expected("a type"),
        }
        cursor.take();
    }
    if words.is_empty() {
        return cursor.expected("a type");
    }
    parse_data_type(&spelled(&words)).map_err(to_datafusion)
}

/// The type that a text names.
///
/// # Errors
/// For what is no type.
pub(crate) fn data_type_of(text: &str) -> Result<DataType> {
    let mut cursor = Cursor::from_sql(text)?;
    let data_type = read(&mut cursor)?;
    cursor.end()?;
    Ok(data_type)
}

/// Whether a word begins an option of the column.
fn ends(cursor: &Cursor, word: &str) -> bool {
    let mut ahead = cursor.clone();
    ENDS.iter().any(|end| word.eq_ignore_ascii_case(end))
        || ahead.keywords(&["NOT", "NULL"])
        || ahead.keywords(&["NOT", "DETERMINISTIC"])
        || ahead.keyword("NULL")
}

fn push_word(words: &mut Vec<String>, word: &str, quote: Option<char>) {
    let text = match quote {
        Some(_) => format!("`{word}`"),
        None if word.eq_ignore_ascii_case("STRUCT") => "ROW".to_string(),
        None => word.to_string(),
    };
    words.push(text);
}

fn push_open<'a>(words: &mut Vec<String>, open: &mut Vec<&'a str>, begin: &str, end: &'a str) {
    words.push(begin.to_string());
    open.push(end);
}

fn close(words: &mut Vec<String>, open: &mut Vec<&str>) {
    words.push(open.pop().unwrap_or(")").to_string());
}

/// Whether a parenthesis opens the elements of a nested type: `MAP(K, V)`, `ROW(a T)`.
fn is_nested(words: &[String]) -> bool {
    words.last().is_some_and(|word| {
        ["MAP", "ROW", "ARRAY", "MULTISET"]
            .iter()
            .any(|n| word.eq_ignore_ascii_case(n))
    })
}

/// Names that other dialects use, as Paimon's.
fn spelled(words: &[String]) -> String {
    let mut out: Vec<String> = Vec::with_capacity(words.len());
    for (i, word) in words.iter().enumerate() {
        let next = words.get(i + 1).map(String::as_str);
        let sized = next == Some("(");
        let after = |n: usize| words.get(i + n).map(|w| w.to_ascii_uppercase());
        let text = match word.to_ascii_uppercase().as_str() {
            "TEXT" => "STRING",
            "LONG" => "BIGINT",
            "SHORT" => "SMALLINT",
            "BYTE" => "TINYINT",
            "REAL" => "FLOAT",
            "BOOL" => "BOOLEAN",
            "TIMESTAMP_NTZ" => "TIMESTAMP",
            "VARCHAR" if !sized => "STRING",
            "BINARY" | "VARBINARY" if !sized => "BYTES",
            // instants are all that a zone can mean
            "WITH" if after(1).as_deref() == Some("TIME") => "WITH LOCAL",
            _ => word,
        };
        out.push(text.to_string());
    }
    out.join(" ")
}
