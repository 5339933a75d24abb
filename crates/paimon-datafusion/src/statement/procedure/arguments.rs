//! The arguments of a call, matched with those a procedure takes.

use std::collections::HashMap;

use datafusion::error::{DataFusionError, Result};
use paimon_core::options::parse_duration_ms;

use crate::parse::redact_text;

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(i64),
    Boolean(bool),
    /// `map('key', 'value', ..)`.
    Map(Vec<(String, String)>),
    Null,
}

/// What a procedure takes for an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text; numbers count as texts.
    Text,
    /// A whole number; texts of digits count as numbers.
    Number,
    /// True or false, also as texts.
    Boolean,
    /// A text such as `7 d`, as milliseconds.
    Duration,
    /// A timestamp as a text in the session's time zone, as epoch milliseconds.
    Instant,
    /// Epoch milliseconds as a number, or an [`Kind::Instant`].
    Millis,
    /// Options as a map or as a text `key=value,key=value`.
    Options,
}

/// One argument that a procedure takes.
#[derive(Debug)]
pub(super) struct Parameter {
    /// Its names, the preferred one first; case does not matter.
    pub(super) names: &'static [&'static str],
    kind: Kind,
    required: bool,
}

/// An argument that must be given.
pub(super) const fn required(names: &'static [&'static str], kind: Kind) -> Parameter {
    Parameter {
        names,
        kind,
        required: true,
    }
}

/// An argument that may be left out. NULL and a blank text mean that it is.
pub(super) const fn optional(names: &'static [&'static str], kind: Kind) -> Parameter {
    Parameter {
        names,
        kind,
        required: false,
    }
}

impl Parameter {
    /// The name that messages show.
    pub(super) fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    fn is_called(&self, name: &str) -> bool {
        self.names.iter().any(|n| n.eq_ignore_ascii_case(name))
    }

    /// A given value as one of this kind; `None` when it says that the argument is left out.
    fn value(
        &self,
        procedure: &str,
        given: &Value,
        instant: &dyn Fn(&str) -> Result<i64>,
    ) -> Result<Option<Value>> {
        let blank = matches!(given, Value::Text(text) if text.trim().is_empty());
        if *given == Value::Null || (blank && !self.required) {
            return Ok(None);
        }
        let wrong = |expected: &str| {
            Err(DataFusionError::Plan(format!(
                "argument {} of procedure {procedure} must be {expected}",
                self.name()
            )))
        };
        let value = match (self.kind, given) {
            (Kind::Text, Value::Text(_))
            | (Kind::Number | Kind::Millis, Value::Number(_))
            | (Kind::Boolean, Value::Boolean(_)) => given.clone(),
            (Kind::Text, Value::Number(number)) => Value::Text(number.to_string()),
            (Kind::Text, _) => return wrong("a text"),
            (Kind::Number, Value::Text(text)) => match text.trim().parse() {
                Ok(number) => Value::Number(number),
                Err(_) => return wrong("a whole number"),
            },
            (Kind::Number, _) => return wrong("a whole number"),
            (Kind::Boolean, Value::Text(text)) if text.eq_ignore_ascii_case("true") => {
                Value::Boolean(true)
            }
            (Kind::Boolean, Value::Text(text)) if text.eq_ignore_ascii_case("false") => {
                Value::Boolean(false)
            }
            (Kind::Boolean, _) => return wrong("true or false"),
            (Kind::Duration, Value::Text(text)) => match parse_duration_ms(text) {
                Ok(ms) => Value::Number(i64::try_from(ms).unwrap_or(i64::MAX)),
                Err(_) => return wrong("a duration such as '7 d'"),
            },
            (Kind::Duration, _) => return wrong("a duration such as '7 d'"),
            (Kind::Millis, Value::Text(text)) if text.trim().parse::<i64>().is_ok() => {
                Value::Number(text.trim().parse().unwrap_or_default())
            }
            (Kind::Instant | Kind::Millis, Value::Text(text)) => match instant(text) {
                Ok(ms) => Value::Number(ms),
                Err(_) => return wrong("a timestamp such as '2024-01-31 12:00:00'"),
            },
            (Kind::Options, Value::Map(_)) => given.clone(),
            (Kind::Options, Value::Text(text)) => match pairs(text) {
                Ok(pairs) => Value::Map(pairs),
                Err(found) => {
                    let found = redact_text(found);
                    return wrong(&format!("`key=value,key=value`, found {found:?}"));
                }
            },
            (Kind::Options, _) => return wrong("`key=value,key=value` or map('key', 'value')"),
            (Kind::Instant, _) => return wrong("a timestamp such as '2024-01-31 12:00:00'"),
            (Kind::Millis, _) => return wrong("epoch milliseconds or a timestamp"),
        };
        Ok(Some(value))
    }
}

/// Reads `key=value,key=value`; the error is the part that has another form.
fn pairs(text: &str) -> std::result::Result<Vec<(String, String)>, &str> {
    let parts = text.split(',').map(str::trim).filter(|p| !p.is_empty());
    parts
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) => Ok((key.trim().to_string(), value.trim().to_string())),
            None => Err(pair),
        })
        .collect()
}

/// Arguments by the name under which the procedure knows them, of the kinds it takes.
#[derive(Debug)]
pub(super) struct Arguments {
    procedure: &'static str,
    given: HashMap<&'static str, Value>,
}

impl Arguments {
    /// Matches the names and values of a call with `known`, which is in the order of positions. `instant` reads
    /// timestamps.
    ///
    /// # Errors
    /// For an unknown argument, one given twice, one missing, too many, or a value of another kind.
    pub(super) fn new(
        procedure: &'static str,
        known: &'static [Parameter],
        call: &[(Option<String>, Value)],
        instant: &dyn Fn(&str) -> Result<i64>,
    ) -> Result<Self> {
        let mut seen = Vec::new();
        let mut given = HashMap::new();
        for (position, (name, value)) in call.iter().enumerate() {
            let found = match name {
                Some(name) => known.iter().find(|p| p.is_called(name)),
                None => known.get(position),
            };
            let Some(parameter) = found else {
                let shown = name.as_deref().unwrap_or("(by position)");
                return Err(DataFusionError::Plan(format!(
                    "procedure {procedure} has no argument {shown}: it takes {}",
                    names(known)
                )));
            };
            let key = parameter.name();
            if seen.contains(&key) {
                return Err(DataFusionError::Plan(format!(
                    "argument {key} of procedure {procedure} is given twice"
                )));
            }
            seen.push(key);
            if let Some(value) = parameter.value(procedure, value, instant)? {
                given.insert(key, value);
            }
        }
        let missing = known
            .iter()
            .find(|p| p.required && !given.contains_key(p.name()));
        match missing {
            Some(parameter) => Err(DataFusionError::Plan(format!(
                "procedure {procedure} needs the argument {}",
                parameter.name()
            ))),
            None => Ok(Self { procedure, given }),
        }
    }

    /// Name of the procedure.
    pub(super) fn procedure(&self) -> &'static str {
        self.procedure
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.given.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The text of an argument that must be given.
    pub(super) fn required(&self, name: &str) -> &str {
        self.text(name).unwrap_or_default()
    }

    /// A number; milliseconds of times and durations.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        match self.given.get(name) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// Options; none when not given.
    pub(super) fn options(&self, name: &str) -> Vec<(String, String)> {
        match self.given.get(name) {
            Some(Value::Map(pairs)) => pairs.clone(),
            _ => Vec::new(),
        }
    }

    /// A truth value; false when not given.
    pub(super) fn boolean(&self, name: &str) -> bool {
        self.boolean_or(name, false)
    }

    /// A truth value, or what it is when not given.
    pub(super) fn boolean_or(&self, name: &str, default: bool) -> bool {
        match self.given.get(name) {
            Some(Value::Boolean(given)) => *given,
            _ => default,
        }
    }

    /// Refuses those of the arguments that this engine cannot honour.
    ///
    /// # Errors
    /// `Unsupported` naming the first one that was given.
    pub(super) fn refuse(&self, names: &[&str]) -> Result<()> {
        match names.iter().find(|name| self.given.contains_key(*name)) {
            Some(name) => Err(crate::error::to_datafusion(
                paimon_core::Error::unsupported(format!(
                    "argument {name} of procedure {} is not supported yet",
                    self.procedure
                ))
                .with("argument", name),
            )),
            None => Ok(()),
        }
    }
}

fn names(known: &[Parameter]) -> String {
    let names: Vec<&str> = known.iter().map(Parameter::name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KNOWN: &[Parameter] = &[
        required(&["table"], Kind::Text),
        optional(&["nextSnapshot", "next_snapshot"], Kind::Number),
        optional(&["dry_run"], Kind::Boolean),
        optional(&["retained"], Kind::Duration),
        optional(&["older_than"], Kind::Instant),
        optional(&["timestamp"], Kind::Millis),
    ];

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    fn arguments(call: &[(Option<&str>, Value)]) -> Result<Arguments> {
        let call: Vec<_> = call
            .iter()
            .map(|(name, value)| (name.map(str::to_string), value.clone()))
            .collect();
        Arguments::new("p", KNOWN, &call, &|text| {
            Ok(i64::try_from(text.len()).unwrap())
        })
    }

    #[test]
    fn names_positions_and_aliases_meet() {
        let given = arguments(&[
            (None, text("t")),
            (Some("NEXT_SNAPSHOT"), Value::Number(3)),
            (Some("dry_run"), text("TRUE")),
            (Some("retained"), text("2 h")),
            (Some("older_than"), text("1234567")),
            (Some("timestamp"), text("12")),
        ])
        .unwrap();
        assert_eq!(given.required("table"), "t");
        assert_eq!(given.number("nextSnapshot"), Some(3));
        assert!(given.boolean("dry_run"));
        assert_eq!(given.number("retained"), Some(7_200_000));
        assert_eq!(given.number("older_than"), Some(7));
        assert_eq!(given.number("timestamp"), Some(12));
        assert!(given.refuse(&["other"]).is_ok());
        assert!(given.refuse(&["other", "dry_run"]).is_err());
    }

    #[test]
    fn null_and_blank_texts_leave_an_argument_out() {
        let given = arguments(&[(None, text("t")), (None, text(" ")), (None, Value::Null)]);
        let given = given.unwrap();
        assert_eq!(given.number("nextSnapshot"), None);
        assert!(!given.boolean("dry_run"));
        let missing = arguments(&[(None, Value::Null)]).unwrap_err().to_string();
        assert!(missing.contains("needs the argument table"), "{missing}");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let table = (None, text("t"));
        for (extra, message) in [
            ((Some("colour"), text("x")), "has no argument colour"),
            (
                (Some("table"), text("u")),
                "table of procedure p is given twice",
            ),
            ((Some("nextSnapshot"), text("x")), "must be a whole number"),
            ((Some("dry_run"), Value::Number(1)), "must be true or false"),
            ((Some("retained"), text("long")), "must be a duration"),
            (
                (Some("older_than"), Value::Number(1)),
                "must be a timestamp",
            ),
            (
                (Some("timestamp"), Value::Boolean(true)),
                "epoch milliseconds",
            ),
        ] {
            let error = arguments(&[table.clone(), extra]).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        let many = vec![(None, Value::Null); 7];
        let error = arguments(&many).unwrap_err().to_string();
        assert!(error.contains("(by position)"), "{error}");
        assert!(arguments(&[(None, Value::Boolean(true))]).is_err());
    }
}
