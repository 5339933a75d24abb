//! Statements of a script.

/// A place in the text where a quote, comment or statement may begin or end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Plain,
    /// In a quoted text or name that ends with this character; the character twice is the character itself.
    Quoted(char),
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

#[cfg(test)]
mod tests {
    use super::*;

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
