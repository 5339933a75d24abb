//! `listagg` (`FieldListaggAgg`): texts joined by a delimiter, optionally only the new tokens of each.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};

use super::super::ops::{FoldPlan, Op};
use super::super::options::FieldOptions;
use super::super::rows::Column;
use super::{FieldAggregator, unexpected_type};
use crate::Result;

/// Joins texts.
#[derive(Debug)]
pub(super) struct ListAgg {
    delimiter: String,
    distinct: bool,
}

impl ListAgg {
    pub(super) fn new(options: &FieldOptions) -> Result<Self> {
        let delimiter = options.get("list-agg-delimiter").unwrap_or(",").to_string();
        Ok(Self {
            delimiter,
            distinct: options.boolean("distinct")?,
        })
    }

    /// acc = agg(acc, input); both are not blank.
    fn append(&self, acc: &mut String, input: &str) {
        if !self.distinct {
            acc.push_str(&self.delimiter);
            acc.push_str(input);
            return;
        }
        let added = {
            let mut known: HashSet<&str> = self.tokens(acc).collect();
            let mut added = Vec::new();
            for token in self.tokens(input) {
                if !is_blank(token) && known.insert(token) {
                    added.push(token);
                }
            }
            added
        };
        for token in added {
            acc.push_str(&self.delimiter);
            acc.push_str(token);
        }
    }

    /// Tokens of a text that is not empty; an empty delimiter splits at blanks.
    fn tokens<'a>(&'a self, text: &'a str) -> std::str::Split<'a, &'a str> {
        let delimiter = match self.delimiter.as_str() {
            "" => " ",
            other => other,
        };
        text.split(delimiter)
    }
}

impl FieldAggregator for ListAgg {
    fn fold(&self, column: &Column, plan: &FoldPlan) -> Result<ArrayRef> {
        let column = &column.gathered()?;
        let Some(values) = column.as_string_view_opt() else {
            return Err(unexpected_type(column.data_type()));
        };
        let mut out = StringViewBuilder::with_capacity(plan.num_groups());
        let mut acc = Text::default();
        for rows in plan.groups() {
            acc.clear();
            for row in rows {
                let input = values.is_valid(row).then(|| values.value(row));
                match plan.op(row) {
                    Op::Set => acc.set(input),
                    Op::Agg => {
                        let Some(input) = input.filter(|v| !is_blank(v)) else {
                            continue;
                        };
                        if acc.is_blank() {
                            acc.set(Some(input));
                        } else {
                            self.append(&mut acc.text, input);
                        }
                    }
                    // agg(in, acc)
                    Op::AggReversed if acc.is_blank() => acc.set(input),
                    Op::AggReversed => {
                        if let Some(input) = input.filter(|v| !is_blank(v)) {
                            let mut text = input.to_string();
                            self.append(&mut text, &acc.text);
                            acc.text = text;
                        }
                    }
                    Op::Skip | Op::Retract | Op::RetractOld | Op::SetRetract => {}
                }
            }
            out.append_option(acc.present.then_some(acc.text.as_str()));
        }
        Ok(Arc::new(out.finish()))
    }
}

/// A nullable text whose buffer is used again.
#[derive(Debug, Default)]
struct Text {
    present: bool,
    text: String,
}

impl Text {
    fn clear(&mut self) {
        self.present = false;
        self.text.clear();
    }

    fn set(&mut self, value: Option<&str>) {
        self.clear();
        if let Some(value) = value {
            self.present = true;
            self.text.push_str(value);
        }
    }

    fn is_blank(&self) -> bool {
        !self.present || is_blank(&self.text)
    }
}

/// `StringUtils.isBlank`: only characters that `Character.isWhitespace` accepts.
fn is_blank(text: &str) -> bool {
    text.chars().all(|c| match c {
        '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{85}' => false,
        '\u{1c}'..='\u{1f}' => true,
        other => other.is_whitespace(),
    })
}
