//! Fields of a line of CSV, as Spark takes them apart: quotes do not keep a line feed, an escape character means something
//! between quotes alone, and a field without a character, quotes included, is null.

use super::format::CsvFormat;

/// The fields of a line.
///
/// # Errors
/// A text that says what is wrong with the line.
pub(super) fn fields(line: &str, format: &CsvFormat) -> Result<Vec<Option<String>>, String> {
    let mut fields = Vec::new();
    let mut rest = line.chars().peekable();
    loop {
        let (mut text, mut is_quoted) = (String::new(), false);
        if rest.next_if_eq(&format.quote).is_some() {
            is_quoted = true;
            quoted(&mut rest, format, &mut text)?;
        }
        while let Some(c) = rest.next_if(|c| *c != format.delimiter) {
            text.push(c);
        }
        fields.push((is_quoted || !text.is_empty()).then_some(text));
        if rest.next().is_none() {
            return Ok(fields);
        }
    }
}

/// Reads up to the quote that closes the field.
fn quoted(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    format: &CsvFormat,
    text: &mut String,
) -> Result<(), String> {
    while let Some(c) = rest.next() {
        if c == format.quote {
            match rest.next_if_eq(&format.quote) {
                Some(doubled) => text.push(doubled),
                None => return Ok(()),
            }
        } else if c == format.escape {
            let escaped = rest.next_if(|next| *next == format.quote || *next == format.escape);
            text.push(escaped.unwrap_or(c));
        } else {
            text.push(c);
        }
    }
    Err("a quote is not closed in its line".to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn format(escape: char) -> CsvFormat {
        CsvFormat {
            delimiter: ',',
            quote: '"',
            escape,
            has_header: false,
        }
    }

    #[test]
    fn fields_are_those_between_delimiters() {
        for (line, expected) in [
            ("1,a", vec![Some("1"), Some("a")]),
            (",", vec![None, None]),
            ("\"\",x", vec![Some(""), Some("x")]),
            ("\"a,b\",c", vec![Some("a,b"), Some("c")]),
            (r#""say ""x""",2"#, vec![Some("say \"x\""), Some("2")]),
            (r#""say \"x\"",2"#, vec![Some("say \"x\""), Some("2")]),
            (r#""a\\",2"#, vec![Some(r"a\"), Some("2")]),
            (r"C:\temp,\N", vec![Some(r"C:\temp"), Some(r"\N")]),
            (r#"a"b,c"#, vec![Some("a\"b"), Some("c")]),
            (r#""a"b,c"#, vec![Some("ab"), Some("c")]),
            (" 1 ,é", vec![Some(" 1 "), Some("é")]),
        ] {
            let found = fields(line, &format('\\')).unwrap();
            let found: Vec<Option<&str>> = found.iter().map(Option::as_deref).collect();
            assert_eq!(found, expected, "{line}");
        }
        assert!(fields("1,\"open", &format('\\')).is_err());
    }

    #[test]
    fn with_the_quote_as_escape_a_backslash_is_a_letter() {
        let found = fields(r#""x,a\","say ""y""""#, &format('"')).unwrap();
        assert_eq!(
            found,
            [Some(r"x,a\".to_string()), Some("say \"y\"".to_string())]
        );
    }
}
