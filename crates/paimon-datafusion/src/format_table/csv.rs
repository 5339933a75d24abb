//! Fields of a line of CSV.
//!
//! Java: `CsvParser`, `CsvFormatWriter`. A line is a row: quotes do not keep a line feed.

use super::options::CsvOptions;

/// Splits a line into its first `count` fields; those that the line lacks are `None`. A blank line has none at all.
///
/// Source: `CsvParser.parse`, with its rules for quotes in the middle of a field.
pub(super) fn parse(line: &str, count: usize, options: &CsvOptions) -> Vec<Option<String>> {
    let mut fields: Vec<Option<String>> = Vec::with_capacity(count);
    if line.chars().all(char::is_whitespace) {
        fields.resize(count, None);
        return fields;
    }
    let chars: Vec<char> = line.chars().collect();
    let at = |i: usize| chars.get(i).copied();
    let (mut in_quotes, mut in_field, mut buffer) = (false, false, String::new());
    let mut i = 0;
    while fields.len() < count
        && let Some(c) = at(i)
    {
        let next = at(i + 1);
        if c == options.escape {
            // an escape before anything else is dropped
            if (in_quotes || in_field)
                && let Some(next) = next.filter(|n| *n == options.quote || *n == options.escape)
            {
                buffer.push(next);
                i += 1;
            }
        } else if c == options.quote {
            if (in_quotes || in_field) && next == Some(options.quote) {
                buffer.push(c);
                i += 1;
            } else {
                let before = i.checked_sub(1).and_then(at);
                let is_inside = i > 2
                    && before != Some(options.delimiter)
                    && next.is_some_and(|n| n != options.delimiter);
                if is_inside {
                    if !buffer.is_empty() && buffer.chars().all(char::is_whitespace) {
                        buffer.clear();
                    } else {
                        buffer.push(c);
                    }
                }
                in_quotes = !in_quotes;
            }
            in_field = !in_field;
        } else if c == options.delimiter && !in_quotes {
            fields.push(Some(std::mem::take(&mut buffer)));
            in_field = false;
        } else {
            buffer.push(c);
            in_field = true;
        }
        i += 1;
    }
    // a last field whose quote is not closed is no value
    if fields.len() < count && !in_quotes {
        fields.push(Some(buffer));
    }
    fields.resize(count, None);
    fields
}

/// Appends a line.
pub(super) fn write_line<'a>(
    fields: impl Iterator<Item = Option<&'a str>>,
    line_delimiter: &str,
    options: &CsvOptions,
    out: &mut String,
) {
    for (i, field) in fields.enumerate() {
        if i > 0 {
            out.push(options.delimiter);
        }
        write(field, line_delimiter, options, out);
    }
    out.push_str(line_delimiter);
}

/// Appends a field as it stands in a line.
fn write(field: Option<&str>, line_delimiter: &str, options: &CsvOptions, out: &mut String) {
    let Some(field) = field else {
        out.push_str(&options.null);
        return;
    };
    let special = [
        Some(options.delimiter),
        line_delimiter.chars().next(),
        Some(options.quote),
        Some(options.escape),
    ];
    if !field.chars().any(|c| special.contains(&Some(c))) {
        out.push_str(field);
        return;
    }
    out.push(options.quote);
    for c in field.chars() {
        if c == options.quote || c == options.escape {
            out.push(options.escape);
        }
        out.push(c);
    }
    out.push(options.quote);
}

#[cfg(test)]
mod tests {
    use super::super::options::CsvMode;
    use super::*;

    fn options() -> CsvOptions {
        CsvOptions {
            delimiter: ',',
            quote: '"',
            escape: '\\',
            has_header: false,
            null: String::new(),
            mode: CsvMode::Permissive,
        }
    }

    fn fields(line: &str, count: usize) -> Vec<Option<String>> {
        parse(line, count, &options())
    }

    #[test]
    fn fields_are_split_as_java_does() {
        let some = |texts: &[&str]| -> Vec<Option<String>> {
            texts.iter().map(|t| Some((*t).to_string())).collect()
        };
        assert_eq!(fields("1,,b", 3), some(&["1", "", "b"]));
        assert_eq!(
            fields(r#"2,"with, comma and \"quotes\"",x"#, 3),
            some(&["2", "with, comma and \"quotes\"", "x"])
        );
        assert_eq!(fields(r#""a""b",c"#, 2), some(&["a\"b", "c"]));
        assert_eq!(fields(r"a\b,c\\d", 2), some(&["ab", r"c\d"]));
        assert_eq!(fields("1,2,3", 2), some(&["1", "2"]));
        assert_eq!(fields("1", 2), [Some("1".to_string()), None]);
        assert_eq!(fields("  ", 2), [None, None]);
        assert_eq!(fields(r#"1,"open"#, 2), [Some("1".to_string()), None]);
        assert_eq!(fields(r#"a,bc"d"ef,g"#, 3), some(&["a", r#"bc"d"ef"#, "g"]));
    }

    #[test]
    fn what_is_written_is_read_again() {
        for field in [
            "",
            "plain",
            "a,b",
            "say \"x\"",
            r"back\slash",
            "\"",
            r"\",
            r#"\""#,
            "a b ",
        ] {
            let mut line = String::from("1,");
            write(Some(field), "\n", &options(), &mut line);
            line.push_str(",2");
            let found = fields(&line, 3);
            assert_eq!(found.get(1), Some(&Some(field.to_string())), "{line}");
            assert_eq!(found.get(2), Some(&Some("2".to_string())), "{line}");
        }
        let mut line = String::new();
        let own = CsvOptions {
            null: "NUL".to_string(),
            delimiter: ';',
            ..options()
        };
        write(None, "\n", &own, &mut line);
        write(Some("a,b;c"), "\n", &own, &mut line);
        assert_eq!(line, r#"NUL"a,b;c""#);
    }
}
