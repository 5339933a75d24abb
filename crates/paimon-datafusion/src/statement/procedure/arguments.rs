//! The arguments of a call, matched with those a procedure takes.

use std::collections::HashMap;

use datafusion::error::{DataFusionError, Result};

use super::Call;

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(i64),
    Boolean(bool),
    Null,
}

/// Arguments by the name under which the procedure knows them.
#[derive(Debug)]
pub(super) struct Arguments {
    procedure: String,
    given: HashMap<&'static str, Value>,
}

impl Arguments {
    /// Matches the arguments of a call. `known` has each argument's names, the preferred one first, in the order of
    /// positions.
    ///
    /// # Errors
    /// For an unknown argument, one given twice, or too many.
    pub(super) fn new(call: &Call, known: &[&[&'static str]]) -> Result<Self> {
        let procedure = call.procedure()?;
        let mut given = HashMap::new();
        for (position, (name, value)) in call.arguments.iter().enumerate() {
            let found = match name {
                Some(name) => known.iter().find(|names| names.contains(&name.as_str())),
                None => known.get(position),
            };
            let Some(key) = found.and_then(|names| names.first()) else {
                let expected: Vec<&str> = known.iter().filter_map(|n| n.first().copied()).collect();
                let shown = name.as_deref().unwrap_or("(by position)");
                return Err(DataFusionError::Plan(format!(
                    "procedure {procedure} has no argument {shown}: it takes {}",
                    expected.join(", ")
                )));
            };
            if given.insert(*key, value.clone()).is_some() {
                return Err(DataFusionError::Plan(format!(
                    "argument {key} of procedure {procedure} is given twice"
                )));
            }
        }
        given.retain(|_, value| *value != Value::Null);
        Ok(Self { procedure, given })
    }

    /// A text that must be given.
    pub(super) fn required(&self, name: &str) -> Result<String> {
        match self.text(name)? {
            Some(text) => Ok(text),
            None => Err(DataFusionError::Plan(format!(
                "procedure {} needs the argument {name}",
                self.procedure
            ))),
        }
    }

    /// A text; numbers count as texts.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        match self.given.get(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => self.wrong(name, "a text"),
        }
    }

    /// A number; texts of digits count as numbers.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>> {
        match self.given.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(*number)),
            Some(Value::Text(text)) => match text.trim().parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => self.wrong(name, "a number"),
            },
            Some(_) => self.wrong(name, "a number"),
        }
    }

    /// A truth value; false when not given.
    pub(super) fn boolean(&self, name: &str) -> Result<bool> {
        match self.given.get(name) {
            None => Ok(false),
            Some(Value::Boolean(value)) => Ok(*value),
            Some(_) => self.wrong(name, "true or false"),
        }
    }

    fn wrong<T>(&self, name: &str, expected: &str) -> Result<T> {
        Err(DataFusionError::Plan(format!(
            "argument {name} of procedure {} must be {expected}",
            self.procedure
        )))
    }
}
