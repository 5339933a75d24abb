//! Paths into variants: `$`, `$.name`, `$['name']`, `$["name"]`, `$[0]`, one behind the other.
//!
//! Source: `VariantPathSegment`.

use datafusion::error::{DataFusionError, Result};
use parquet_variant::Variant;

/// A step down.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    Element(usize),
}

/// The way from a value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

impl Path {
    /// # Errors
    /// For a text that is no path.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let steps = text.strip_prefix('$').and_then(steps);
        steps.map(Self).ok_or_else(|| {
            DataFusionError::Plan(format!(
                "{text} is no path into a VARIANT, such as $.a.b, $['a b'] or $[0].a"
            ))
        })
    }

    /// The value at the end; `None` where there is none.
    pub(super) fn find<'m, 'v>(&self, from: Variant<'m, 'v>) -> Option<Variant<'m, 'v>> {
        self.0.iter().try_fold(from, |at, step| match (step, at) {
            (Step::Field(name), Variant::Object(object)) => object.get(name),
            (Step::Element(n), Variant::List(list)) => list.get(*n),
            _ => None,
        })
    }
}

fn steps(mut rest: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, behind) = step(rest)?;
        steps.push(step);
        rest = behind;
    }
    Some(steps)
}

/// The first step and what is behind it.
fn step(text: &str) -> Option<(Step, &str)> {
    let named = |name: &str| (!name.is_empty()).then(|| Step::Field(name.to_string()));
    if let Some(behind) = text.strip_prefix('.') {
        let end = behind.find(['.', '[']).unwrap_or(behind.len());
        let (name, behind) = behind.split_at(end);
        return Some((named(name)?, behind));
    }
    for (open, close) in [("['", "']"), ("[\"", "\"]")] {
        if let Some(behind) = text.strip_prefix(open) {
            let (name, behind) = behind.split_once(close)?;
            return Some((named(name)?, behind));
        }
    }
    let (number, behind) = text.strip_prefix('[')?.split_once(']')?;
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((Step::Element(number.parse().ok()?), behind))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths_have_all_forms() {
        let field = |name: &str| Step::Field(name.to_string());
        let path = Path::parse("$.a b['c.d'][\"e]\"][12].f").unwrap();
        let steps = [
            field("a b"),
            field("c.d"),
            field("e]"),
            Step::Element(12),
            field("f"),
        ];
        assert_eq!(path.0, steps);
        assert_eq!(Path::parse("$").unwrap().0, []);
        for text in [
            "", "a", "$a", "$.", "$..a", "$[", "$[]", "$[-1]", "$[a]", "$['']", "$['a'",
        ] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }
}
