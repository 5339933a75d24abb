//! Java's merge functions record after record on plain values, slow and simple.

use super::values::Value;
use super::{Merged, Record};
use crate::spec::is_retract;
use crate::spec::row_kind::{DELETE, INSERT};

/// Failure of a merge; only that it fails is compared.
pub type Outcome<T> = std::result::Result<T, String>;

/// An aggregate function with its options.
#[derive(Debug, Clone, Default)]
pub struct Function {
    pub name: String,
    pub ignore_retract: bool,
    pub distinct: bool,
    /// Java compares elements by value and keeps the accumulator as it is.
    pub equaliser: bool,
    pub delimiter: String,
    pub key: Vec<usize>,
    pub sequence: Vec<usize>,
    pub limit: usize,
    /// merge, ignore, error
    pub null_keys: String,
    pub initialized: bool,
}

impl Function {
    pub fn agg(&mut self, acc: Value, input: Value) -> Outcome<Value> {
        let null_skip = [
            "sum",
            "product",
            "max",
            "min",
            "bool_and",
            "bool_or",
            "merge_map",
            "merge_map_with_keytime",
        ];
        if null_skip.contains(&self.name.as_str()) {
            if acc.is_null() {
                return Ok(input);
            }
            if input.is_null() {
                return Ok(acc);
            }
        }
        Ok(match (self.name.as_str(), &acc, &input) {
            ("sum", Value::Int(a), Value::Int(b)) => {
                Value::Int(a.checked_add(*b).ok_or("overflow")?)
            }
            ("sum", Value::Double(a), Value::Double(b)) => Value::Double(a + b),
            ("sum", Value::Decimal(a), Value::Decimal(b)) => Value::Decimal(a + b),
            ("product", Value::Int(a), Value::Int(b)) => {
                Value::Int(a.checked_mul(*b).ok_or("overflow")?)
            }
            ("product", Value::Double(a), Value::Double(b)) => Value::Double(a * b),
            ("max", ..) => {
                if less(&acc, &input) {
                    input
                } else {
                    acc
                }
            }
            ("min", ..) => {
                if less(&acc, &input) {
                    acc
                } else {
                    input
                }
            }
            ("bool_and", Value::Bool(a), Value::Bool(b)) => Value::Bool(*a && *b),
            ("bool_or", Value::Bool(a), Value::Bool(b)) => Value::Bool(*a || *b),
            ("last_value" | "primary-key", ..) => input,
            ("last_non_null_value", ..) => {
                if input.is_null() {
                    acc
                } else {
                    input
                }
            }
            ("first_value", ..) => {
                if self.initialized {
                    return Ok(acc);
                }
                self.initialized = true;
                input
            }
            ("first_non_null_value", ..) => {
                if self.initialized || input.is_null() {
                    return Ok(acc);
                }
                self.initialized = true;
                input
            }
            ("listagg", ..) => self.listagg(acc, input),
            ("collect", ..) => self.collect(acc, input),
            ("merge_map", ..) => {
                let mut map: Vec<Value> = Vec::new();
                for entry in acc.items().iter().chain(input.items()) {
                    put(&mut map, entry, |e| e.items()[0].clone());
                }
                Value::List(map)
            }
            ("merge_map_with_keytime", ..) => key_time(&acc, &input),
            ("nested_update", ..) => self.nested_update(acc, input)?,
            ("nested_partial_update", ..) => self.nested_partial(acc, input)?,
            other => panic!("{other:?}"),
        })
    }

    pub fn agg_reversed(&mut self, acc: Value, input: Value) -> Outcome<Value> {
        if self.name == "collect" {
            return self.agg(acc, input);
        }
        self.agg(input, acc)
    }

    pub fn retract(&mut self, acc: Value, input: Value) -> Outcome<Value> {
        if self.ignore_retract {
            return Ok(acc);
        }
        Ok(match (self.name.as_str(), &acc, &input) {
            ("sum", Value::Null, Value::Int(b)) => Value::Int(b.checked_neg().ok_or("overflow")?),
            ("sum", Value::Null, Value::Double(b)) => Value::Double(-b),
            ("sum", Value::Null, Value::Decimal(b)) => Value::Decimal(-b),
            ("sum" | "product", Value::Null, _) | ("sum" | "product", _, Value::Null) => acc,
            ("sum", Value::Int(a), Value::Int(b)) => {
                Value::Int(a.checked_sub(*b).ok_or("overflow")?)
            }
            ("sum", Value::Double(a), Value::Double(b)) => Value::Double(a - b),
            ("sum", Value::Decimal(a), Value::Decimal(b)) => Value::Decimal(a - b),
            ("product", Value::Int(a), Value::Int(b)) => {
                Value::Int(a.checked_div(*b).ok_or("division")?)
            }
            ("product", Value::Double(a), Value::Double(b)) => Value::Double(a / b),
            ("last_value", ..) => Value::Null,
            ("primary-key", ..) => input,
            ("last_non_null_value", ..) => {
                if input.is_null() {
                    acc
                } else {
                    Value::Null
                }
            }
            ("collect" | "merge_map" | "nested_update", Value::Null, _) => Value::Null,
            ("collect" | "merge_map" | "nested_update", _, Value::Null) => acc,
            ("collect", ..) => {
                let mut gone = input.items().to_vec();
                let mut rest = Vec::new();
                for item in acc.items() {
                    match gone.iter().position(|g| g == item) {
                        Some(at) => drop(gone.remove(at)),
                        None => rest.push(item.clone()),
                    }
                }
                Value::List(rest)
            }
            ("merge_map", ..) => {
                let gone = |e: &&Value| !input.items().iter().any(|i| i.items()[0] == e.items()[0]);
                Value::List(acc.items().iter().filter(gone).cloned().collect())
            }
            ("nested_update", ..) => self.nested_retract(&acc, &input)?,
            (name, ..) => return Err(format!("{name} does not retract")),
        })
    }

    fn listagg(&self, acc: Value, input: Value) -> Value {
        let blank = |v: &Value| v.text().is_none_or(|t| t.trim().is_empty());
        if blank(&input) {
            return acc;
        }
        if blank(&acc) {
            return input;
        }
        let mut text = acc.text().unwrap().to_string();
        if !self.distinct {
            return Value::Text(text + &self.delimiter + input.text().unwrap());
        }
        let mut known: Vec<String> = text.split(&self.delimiter).map(str::to_string).collect();
        for token in input.text().unwrap().split(&self.delimiter) {
            if !token.trim().is_empty() && !known.iter().any(|k| k == token) {
                known.push(token.to_string());
                text = text + &self.delimiter + token;
            }
        }
        Value::Text(text)
    }

    fn collect(&self, acc: Value, input: Value) -> Value {
        if acc.is_null() && input.is_null() {
            return Value::Null;
        }
        let mut items: Vec<Value> = Vec::new();
        let known = acc.items().len();
        for (i, item) in acc.items().iter().chain(input.items()).enumerate() {
            let keep = !self.distinct || self.equaliser && i < known;
            if keep || !items.contains(item) {
                items.push(item.clone());
            }
        }
        Value::List(items)
    }

    fn key_of(&self, row: &Value) -> Value {
        Value::Row(self.key.iter().map(|i| row.items()[*i].clone()).collect())
    }

    /// Rows that are not null, with an accepted key.
    fn accepted<'a>(&self, list: &'a Value) -> Outcome<Vec<&'a Value>> {
        let mut rows = Vec::new();
        for row in list.items().iter().filter(|r| !r.is_null()) {
            let has_null = self.key_of(row).items().contains(&Value::Null);
            match self.null_keys.as_str() {
                "error" if has_null => return Err("null key".into()),
                "ignore" if has_null => {}
                _ => rows.push(row),
            }
        }
        Ok(rows)
    }

    fn nested_update(&self, acc: Value, input: Value) -> Outcome<Value> {
        if input.is_null() {
            return Ok(acc);
        }
        let mut rows: Vec<Value> = Vec::new();
        if self.key.is_empty() {
            if !acc.is_null() && acc.items().len() >= self.limit {
                return Ok(acc);
            }
            let room = self.limit - acc.items().len();
            let valid = |r: &&Value| !r.is_null();
            rows.extend(acc.items().iter().filter(valid).cloned());
            rows.extend(input.items().iter().filter(valid).take(room).cloned());
            return Ok(Value::List(rows));
        }
        let sequence = |r: &Value| -> Vec<Option<i64>> {
            self.sequence.iter().map(|i| r.items()[*i].int()).collect()
        };
        for (list, limited) in [(&acc, false), (&input, true)] {
            for row in self.accepted(list)? {
                match rows.iter().position(|r| self.key_of(r) == self.key_of(row)) {
                    Some(at) if sequence(row) >= sequence(&rows[at]) => rows[at] = row.clone(),
                    Some(_) => {}
                    None if !limited || rows.len() < self.limit => rows.push(row.clone()),
                    None => {}
                }
            }
        }
        Ok(Value::List(rows))
    }

    fn nested_retract(&self, acc: &Value, input: &Value) -> Outcome<Value> {
        if self.key.is_empty() {
            let keep = |r: &&Value| !r.is_null() && !input.items().contains(r);
            return Ok(Value::List(
                acc.items().iter().filter(keep).cloned().collect(),
            ));
        }
        let mut rows: Vec<Value> = Vec::new();
        for row in self.accepted(acc)? {
            put(&mut rows, row, |r| self.key_of(r));
        }
        for row in self.accepted(input)? {
            rows.retain(|r| self.key_of(r) != self.key_of(row));
        }
        Ok(Value::List(rows))
    }

    fn nested_partial(&self, acc: Value, input: Value) -> Outcome<Value> {
        if input.is_null() {
            return Ok(acc);
        }
        let mut rows: Vec<Value> = Vec::new();
        let all = Value::List([acc.items(), input.items()].concat());
        for row in self.accepted(&all)? {
            let at = rows.iter().position(|r| self.key_of(r) == self.key_of(row));
            let mut merged = at.map_or(vec![Value::Null; row.items().len()], |at| {
                rows[at].items().to_vec()
            });
            for (old, new) in merged.iter_mut().zip(row.items()) {
                if !new.is_null() {
                    *old = new.clone();
                }
            }
            match at {
                Some(at) => rows[at] = Value::Row(merged),
                None => rows.push(Value::Row(merged)),
            }
        }
        Ok(Value::List(rows))
    }
}

fn put(map: &mut Vec<Value>, entry: &Value, key: impl Fn(&Value) -> Value) {
    match map.iter_mut().find(|e| key(e) == key(entry)) {
        Some(old) => *old = entry.clone(),
        None => map.push(entry.clone()),
    }
}

/// The time is the last field of the value row.
fn key_time(acc: &Value, input: &Value) -> Value {
    let time = |e: &Value| {
        e.items()[1]
            .items()
            .last()
            .and_then(|t| t.text().map(str::to_string))
    };
    let mut map = acc.items().to_vec();
    for entry in input.items() {
        let at = map.iter().position(|e| e.items()[0] == entry.items()[0]);
        if entry.items()[1].is_null() {
            at.map(|at| map.remove(at));
        } else if let Some(new) = time(entry) {
            match at {
                None => map.push(entry.clone()),
                Some(at) if time(&map[at]).is_none_or(|old| new > old) => map[at] = entry.clone(),
                Some(_) => {}
            }
        }
    }
    Value::List(map)
}

fn less(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a < b,
        (Value::Decimal(a), Value::Decimal(b)) => a < b,
        (Value::Double(a), Value::Double(b)) => a.total_cmp(b).is_lt(),
        (Value::Text(a), Value::Text(b)) => a < b,
        (Value::Bool(a), Value::Bool(b)) => !a && *b,
        other => panic!("{other:?}"),
    }
}

/// One table.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub partial_update: bool,
    pub not_null: Vec<bool>,
    /// Per column: function, if any.
    pub functions: Vec<Option<Function>>,
    /// Per column: ordering columns of its group, if any.
    pub groups: Vec<Option<Vec<usize>>>,
    pub ignore_delete: bool,
    pub remove_on_delete: bool,
    pub remove_on_group: Vec<usize>,
}

struct State {
    row: Vec<Value>,
    functions: Vec<Option<Function>>,
    last: usize,
    added: bool,
    filled: bool,
    deleted: bool,
}

impl Model {
    pub fn merge(&self, keys: &[Vec<Record>]) -> Outcome<Merged> {
        keys.iter().map(|key| self.key(key).map(Some)).collect()
    }

    fn key(&self, records: &[Record]) -> Outcome<(i8, Vec<Value>, usize)> {
        let mut state = State {
            row: vec![Value::Null; self.functions.len()],
            functions: self.functions.clone(),
            last: records.len() - 1,
            added: false,
            filled: false,
            deleted: false,
        };
        for (at, (kind, row)) in records.iter().enumerate() {
            if self.partial_update {
                self.update(&mut state, at, *kind, row)?;
            } else {
                self.aggregate(&mut state, at, *kind, row)?;
            }
        }
        let no_add = self.partial_update && !state.added;
        let kind = if state.deleted || no_add {
            DELETE
        } else {
            INSERT
        };
        if kind == INSERT
            && state
                .row
                .iter()
                .zip(&self.not_null)
                .any(|(v, n)| *n && v.is_null())
        {
            return Err("null in a NOT NULL column".into());
        }
        Ok((kind, state.row, state.last))
    }

    fn aggregate(&self, state: &mut State, at: usize, kind: i8, row: &[Value]) -> Outcome<()> {
        state.last = at;
        state.deleted = self.remove_on_delete && kind == DELETE;
        if state.deleted {
            state.row = row.to_vec();
            return Ok(());
        }
        for (i, input) in row.iter().enumerate() {
            let acc = state.row[i].clone();
            let function = state.functions[i].as_mut().unwrap();
            state.row[i] = if is_retract(kind) {
                function.retract(acc, input.clone())?
            } else {
                function.agg(acc, input.clone())?
            };
        }
        Ok(())
    }

    fn update(&self, state: &mut State, at: usize, kind: i8, row: &[Value]) -> Outcome<()> {
        state.deleted = false;
        if !is_retract(kind) {
            state.last = at;
            for i in 0..row.len() {
                self.update_column(state, i, row)?;
            }
            // ordering columns change after the columns they protect were decided
            self.copy_ordering(state, row);
            state.added = true;
            state.filled = true;
            return Ok(());
        }
        if !state.filled {
            state.row = row.to_vec();
            state.filled = true;
        }
        if self.ignore_delete {
            return Ok(());
        }
        state.last = at;
        if self.groups.iter().any(Option::is_some) {
            return self.retract_groups(state, kind, row);
        }
        if !self.remove_on_delete {
            return Err("retract".into());
        }
        if kind == DELETE {
            state.deleted = true;
            state.row = row.to_vec();
        }
        Ok(())
    }

    /// `None`: the group is skipped; else whether the record is at or after the state.
    fn verdict(&self, state: &State, ordering: &[usize], row: &[Value]) -> Option<bool> {
        if ordering.iter().all(|c| row[*c].is_null()) {
            return None;
        }
        let key = |row: &[Value]| -> Vec<Option<i64>> {
            ordering.iter().map(|c| row[*c].int()).collect()
        };
        Some(key(row) >= key(&state.row))
    }

    fn update_column(&self, state: &mut State, i: usize, row: &[Value]) -> Outcome<()> {
        let (acc, input) = (state.row[i].clone(), row[i].clone());
        let verdict = match &self.groups[i] {
            Some(ordering) if ordering.contains(&i) => return Ok(()),
            Some(ordering) => match self.verdict(state, ordering, row) {
                None => return Ok(()),
                Some(newer) => Some(newer),
            },
            None => None,
        };
        let function = state.functions[i].as_mut();
        state.row[i] = match (verdict, function) {
            (Some(true) | None, Some(function)) => function.agg(acc, input)?,
            (Some(false), Some(function)) => function.agg_reversed(acc, input)?,
            (Some(true), None) => input,
            (Some(false), None) => acc,
            (None, None) if input.is_null() => acc,
            (None, None) => input,
        };
        Ok(())
    }

    fn copy_ordering(&self, state: &mut State, row: &[Value]) {
        let before = State {
            row: state.row.clone(),
            functions: vec![],
            ..*state
        };
        for ordering in self.groups.iter().flatten() {
            if self.verdict(&before, ordering, row) == Some(true) {
                ordering
                    .iter()
                    .for_each(|c| state.row[*c] = row[*c].clone());
            }
        }
    }

    fn retract_groups(&self, state: &mut State, kind: i8, row: &[Value]) -> Outcome<()> {
        for ordering in self.groups.iter().flatten() {
            let removes = ordering.iter().any(|c| self.remove_on_group.contains(c));
            if kind == DELETE && removes && self.verdict(state, ordering, row) == Some(true) {
                state.deleted = true;
                state.row = row.to_vec();
                return Ok(());
            }
        }
        for i in 0..row.len() {
            let Some(ordering) = &self.groups[i] else {
                continue;
            };
            let verdict = self.verdict(state, ordering, row);
            let (false, Some(newer)) = (ordering.contains(&i), verdict) else {
                continue;
            };
            let acc = state.row[i].clone();
            state.row[i] = match &mut state.functions[i] {
                Some(function) => function.retract(acc, row[i].clone())?,
                None if newer => Value::Null,
                None => acc,
            };
        }
        self.copy_ordering(state, row);
        Ok(())
    }
}
