//! SQL LIKE patterns: `%` any text, `_` one character, `\` takes the next character literally.

/// One step of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    One,
    Any,
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '%' => Token::Any,
            '_' => Token::One,
            // a backslash at the end stands for itself
            '\\' => Token::Literal(chars.next().unwrap_or('\\')),
            other => Token::Literal(other),
        });
    }
    out
}

/// Whether `text` matches `pattern`.
pub(super) fn like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let tokens = tokens(pattern);
    let (mut at, mut token) = (0, 0);
    // where to resume when the text after the last `%` does not fit: one character later
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match tokens.get(token) {
            Some(Token::Any) => {
                retry = Some((at, token + 1));
                token += 1;
            }
            Some(Token::One) => (at, token) = (at + 1, token + 1),
            Some(Token::Literal(c)) if *c == text[at] => (at, token) = (at + 1, token + 1),
            _ => match retry {
                None => return false,
                Some((from, after)) => {
                    retry = Some((from + 1, after));
                    (at, token) = (from + 1, after);
                }
            },
        }
    }
    tokens[token..].iter().all(|t| *t == Token::Any)
}

/// The text that every match begins with.
pub(super) fn literal_prefix(pattern: &str) -> String {
    tokens(pattern)
        .into_iter()
        .map_while(|token| match token {
            Token::Literal(c) => Some(c),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match() {
        for (text, pattern, expected) in [
            ("", "", true),
            ("", "%", true),
            ("a", "", false),
            ("abc", "a%c", true),
            ("abc", "a_c", true),
            ("abc", "a_", false),
            ("aXbXc", "a%b%c", true),
            ("aab", "%ab", true),
            ("ä%", "_\\%", true),
            ("äx", "_\\%", false),
            ("a\\", "a\\", true),
            ("mississippi", "m%iss%pi", true),
            ("a\nb", "a%b", true),
        ] {
            assert_eq!(like(text, pattern), expected, "{text} like {pattern}");
        }
        assert_eq!(literal_prefix("a\\%b_c"), "a%b");
    }
}
