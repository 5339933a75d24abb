//! Statements of a script.

/// A place in the text where a quote, comment or statement may begin or end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Plain,
    /// In a quoted text or name that ends with this character; the character twice is the character itself.
    Quoted(char),
    /// In a text between dollar signs that ends with these bytes of the script, such as `$$` or `$tag$`.
    Dollars(usize, usize),
    LineComment,
    BlockComment,
}

/// Splits a script at the semicolons outside of quotes and comments. Pieces are trimmed; pieces that hold nothing
/// but blanks and comments are left out (a comment before a statement stays with it).
pub fn split_statements(script: &str) -> Vec<String> {
    scan(script)
        .0
        .into_iter()
        .filter(|(_, meaningful)| *meaningful)
        .map(|(text, _)| text)
        .collect()
}

/// Whether the text ends outside of quotes and block comments with a semicolon as its last meaningful character,
/// or holds nothing to run: what an interactive shell asks before it runs its input.
pub fn is_complete(script: &str) -> bool {
    let (pieces, state) = scan(script);
    matches!(state, State::Plain | State::LineComment)
        && pieces.last().is_none_or(|(_, meaningful)| !meaningful)
}

/// Pieces with a mark whether they hold more than blanks and comments; the last piece is what follows the last
/// semicolon.
fn scan(script: &str) -> (Vec<(String, bool)>, State) {
    let mut pieces = Vec::new();
    let mut state = State::Plain;
    let mut start = 0;
    let mut meaningful = false;
    let mut chars = script.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, n)| *n);
        match state {
            State::Plain => match c {
                '\'' | '"' | '`' => {
                    state = State::Quoted(c);
                    meaningful = true;
                }
                '$' if let Some(end) = dollar_quote(script, at) => {
                    while chars.next_if(|(i, _)| *i < end).is_some() {}
                    state = State::Dollars(at, end);
                    meaningful = true;
                }
                '-' if next == Some('-') => state = State::LineComment,
                '/' if next == Some('*') => {
                    state = State::BlockComment;
                    chars.next();
                }
                ';' => {
                    pieces.push((script[start..at].trim().to_string(), meaningful));
                    start = at + 1;
                    meaningful = false;
                }
                _ => meaningful |= !c.is_whitespace(),
            },
            // a doubled quote closes and opens again: no rows are lost by treating it as two quoted texts
            State::Quoted(end) if c == end => state = State::Plain,
            State::Dollars(from, to) if ends_with(script, at + c.len_utf8(), from, to) => {
                state = State::Plain;
            }
            State::LineComment if c == '\n' => state = State::Plain,
            State::BlockComment if c == '*' && next == Some('/') => {
                chars.next();
                state = State::Plain;
            }
            _ => {}
        }
    }
    pieces.push((script[start..].trim().to_string(), meaningful));
    (pieces, state)
}

/// Where the `$$` or `$tag$` that begins at a dollar sign ends; `None` for a dollar sign inside of a name and one that
/// opens no text.
fn dollar_quote(script: &str, at: usize) -> Option<usize> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let before = script.get(..at)?.chars().next_back();
    if before.is_some_and(|c| is_name(c) || c == '$') {
        return None;
    }
    let rest = script.get(at + 1..)?;
    let length = rest.find(|c: char| !is_name(c))?;
    rest.get(length..)?
        .starts_with('$')
        .then_some(at + length + 2)
}

/// Whether the script up to a position ends with the delimiter at `from..to`, and more than that delimiter itself.
fn ends_with(script: &str, at: usize, from: usize, to: usize) -> bool {
    let (Some(delimiter), Some(text)) = (script.get(from..to), script.get(to..at)) else {
        return false;
    };
    text.ends_with(delimiter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_between_dollar_signs_are_not_split() {
        for (script, expected) in [
            (
                "select $$a;b$$ as x; select 2",
                vec!["select $$a;b$$ as x", "select 2"],
            ),
            (
                "select $t$a;$$;$tag$ b$t$;2",
                vec!["select $t$a;$$;$tag$ b$t$", "2"],
            ),
            ("select $$$$; 2", vec!["select $$$$", "2"]),
            (
                "select * from t$files; select $1; 2",
                vec!["select * from t$files", "select $1", "2"],
            ),
            (
                "select * from t$a$b; 2$x",
                vec!["select * from t$a$b", "2$x"],
            ),
        ] {
            assert_eq!(split_statements(script), expected);
        }
        assert!(!is_complete("select $$a;"));
    }

    #[test]
    fn semicolons_in_quotes_and_comments_do_not_split() {
        let script = "SELECT ';' AS a; -- one; two\nSELECT \"x;y\" /* ; */ , `a;b`, 'it''s;' ;;\n /* only */ ; SELECT 3";
        assert_eq!(
            split_statements(script),
            [
                "SELECT ';' AS a",
                "-- one; two\nSELECT \"x;y\" /* ; */ , `a;b`, 'it''s;'",
                "SELECT 3"
            ]
        );
    }

    #[test]
    fn input_is_complete_after_a_semicolon_outside_quotes() {
        for (text, expected) in [
            ("SELECT 1;", true),
            ("SELECT 1; -- done", true),
            ("SELECT 1", false),
            ("SELECT ';", false),
            ("SELECT 1; SELECT", false),
            ("", true),
            ("/* ;", false),
        ] {
            assert_eq!(is_complete(text), expected, "{text:?}");
        }
    }
}
