//! Random definitions of tables: as many legal combinations of options as possible, few that Java refuses.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use paimon_core::spec::{DataField, DataType, MAX_LENGTH, TableSchema, TypeKind};

use super::kinds::{comparable, counted, fit_for_avro, numeric, ordered, plain};
use super::types::{any_kind, key_kind};
use crate::numbers::Numbers;

/// Row kinds that a table takes, all of them once more likely to be first.
pub const INSERTIONS: &[&str] = &["+I", "+I", "+I", "+U"];
const DELETIONS: &[&str] = &["+I", "+I", "+I", "+U", "-D"];
const ALL: &[&str] = &["+I", "+I", "+I", "+I", "+U", "-D", "-U"];

/// A table and what its rows may be.
pub struct Definition {
    /// As a schema file has it.
    pub schema: TableSchema,
    /// Kinds of rows.
    pub kinds: &'static [&'static str],
    /// No key twice in one commit.
    pub distinct: bool,
    /// Field ids of columns that are added up: their values stay small.
    pub small: BTreeSet<i32>,
    /// Field id of the column that holds the row kind.
    pub kind_column: Option<i32>,
}

impl Definition {
    /// The value of an option.
    pub fn option(&self, key: &str) -> &str {
        self.schema.options.get(key).map_or("", String::as_str)
    }

    /// Whether an option is `true`.
    pub fn is(&self, key: &str) -> bool {
        self.option(key) == "true"
    }

    /// Whether it has a primary key.
    pub fn keyed(&self) -> bool {
        self.schema.has_primary_key()
    }

    /// The merge engine.
    pub fn engine(&self) -> &str {
        match self.option("merge-engine") {
            "" => "deduplicate",
            engine => engine,
        }
    }

    /// Whether a file may be of a format.
    pub fn writes(&self, format: &str) -> bool {
        self.schema.options.values().any(|v| v.contains(format))
    }

    /// Whether keys move between partitions.
    pub fn moves(&self) -> bool {
        let schema = &self.schema;
        self.keyed()
            && !schema
                .partition_keys
                .iter()
                .all(|p| schema.primary_keys.contains(p))
    }

    /// Whether rows become visible by compaction.
    pub fn hides_new_rows(&self) -> bool {
        self.keyed()
            && (self.engine() == "first-row"
                || self.is("deletion-vectors.enabled")
                || self.option("bucket") == "-2")
    }

    /// Whether what a compaction drops can change what is merged later.
    pub fn depends_on_compactions(&self) -> bool {
        let retracts = self.kinds != INSERTIONS;
        let options = &self.schema.options;
        let orders = options.keys().any(|k| k.contains("sequence"));
        // a group without a value is emptied by a compaction that looks up
        if options.keys().any(|k| k.ends_with(".sequence-group")) {
            return true;
        }
        retracts && (orders || self.engine() != "deduplicate")
    }
}

/// The table of a seed.
pub fn definition(numbers: &mut Numbers) -> Definition {
    let keyed = !numbers.one_in(3);
    let mut draft = Draft {
        numbers,
        fields: Vec::new(),
        next_id: 0,
        options: BTreeMap::new(),
        small: BTreeSet::new(),
    };
    let avro = draft.numbers.one_in(3);
    draft.files(avro);
    let partitions: Vec<String> = (0..*draft.numbers.pick(&[0, 0, 1, 1, 2]))
        .map(|i| draft.key_column(&format!("p{i}"), !keyed))
        .collect();
    let keys: Vec<String> = match keyed {
        true => (0..1 + draft.numbers.below(2))
            .map(|i| draft.key_column(&format!("k{i}"), false))
            .collect(),
        false => Vec::new(),
    };
    // Avro takes no other names
    let names = match avro {
        true => ["v0", "v1", "V2", "_3", "select", "v5", "v6"],
        false => ["v0", "v1", "V2", "größe", "select", "v 5", "v6"],
    };
    let count = 2 + draft.numbers.index(names.len() - 2);
    let values: Vec<String> = names[..count]
        .iter()
        .map(|name| draft.value_column(name, avro))
        .collect();
    let (kinds, distinct, kind_column) = match keyed {
        true => draft.keyed(&values, avro),
        false => {
            draft.append(&values, avro);
            (&["+I"][..], false, None)
        }
    };
    draft.indexes(&values);
    let cross =
        keyed && draft.get("bucket") == "-1" && !partitions.is_empty() && draft.numbers.one_in(3);
    if cross {
        draft.options.remove("sequence.field");
        draft.options.remove("sequence.field.sort-order");
    }
    // a retraction empties the partition column too, which cannot be null
    let kinds = match draft.get("merge-engine") {
        "aggregation" | "partial-update" if cross => INSERTIONS,
        _ => kinds,
    };
    let mut primary_keys = if cross || !keyed {
        Vec::new()
    } else {
        partitions.clone()
    };
    primary_keys.extend(keys);
    let kind_column_was = kind_column;
    // a column between the others now and then
    let mut fields = draft.fields;
    if draft.numbers.one_in(3) {
        let moved = draft.numbers.index(fields.len());
        let field = fields.remove(moved);
        fields.push(field);
    }
    for field in &mut fields {
        field.data_type.nullable &= !primary_keys.contains(&field.name);
    }
    let mut small = BTreeSet::new();
    let mut kind_column = kind_column;
    let mut next_id = 0;
    for field in &mut fields {
        let id = next_id;
        if draft.small.contains(&field.id) {
            small.insert(id);
        }
        if kind_column_was == Some(field.id) {
            kind_column = Some(id);
        }
        renumber(field, &mut next_id);
    }
    let schema = TableSchema {
        version: 3,
        id: 0,
        highest_field_id: next_id - 1,
        fields,
        partition_keys: partitions,
        primary_keys,
        options: draft.options.into_iter().collect::<IndexMap<_, _>>(),
        comment: None,
        time_millis: 0,
    };
    Definition {
        schema,
        kinds,
        distinct,
        small,
        kind_column,
    }
}

/// Numbers a column and the fields inside of it, the outer before the inner, as Java does.
fn renumber(field: &mut DataField, next_id: &mut i32) {
    field.id = *next_id;
    *next_id += 1;
    renumber_type(&mut field.data_type, next_id);
}

fn renumber_type(data_type: &mut DataType, next_id: &mut i32) {
    match &mut data_type.kind {
        TypeKind::Array(t) | TypeKind::Multiset(t) => renumber_type(t, next_id),
        TypeKind::Map(k, v) => {
            renumber_type(k, next_id);
            renumber_type(v, next_id);
        }
        TypeKind::Row(fields) => fields.iter_mut().for_each(|f| renumber(f, next_id)),
        _ => {}
    }
}

struct Draft<'a> {
    numbers: &'a mut Numbers,
    fields: Vec<DataField>,
    next_id: i32,
    options: BTreeMap<String, String>,
    small: BTreeSet<i32>,
}

impl Draft<'_> {
    fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.options.insert(key.into(), value.into());
    }

    fn get(&self, key: &str) -> &str {
        self.options.get(key).map_or("", String::as_str)
    }

    /// One of the values, or nothing for "".
    fn choose(&mut self, key: &str, values: &[&str]) {
        let value = *self.numbers.pick(values);
        if !value.is_empty() {
            self.set(key, value);
        }
    }

    /// One of the values once in `bound` times.
    fn seldom(&mut self, bound: u64, key: &str, values: &[&str]) {
        if self.numbers.one_in(bound) {
            self.choose(key, values);
        }
    }

    fn column(&mut self, name: &str, data_type: DataType) -> String {
        let id = self.next_id;
        self.next_id += 1;
        self.fields.push(DataField::new(id, name, data_type));
        name.to_string()
    }

    fn key_column(&mut self, name: &str, nullable: bool) -> String {
        let kind = key_kind(self.numbers);
        self.column(name, DataType { kind, nullable })
    }

    fn value_column(&mut self, name: &str, avro: bool) -> String {
        let mut next_id = self.next_id + 1;
        let kind = any_kind(self.numbers, 2, &mut next_id);
        let kind = if avro { fit_for_avro(&kind) } else { kind };
        let name = self.column(
            name,
            DataType {
                kind,
                nullable: true,
            },
        );
        self.next_id = next_id;
        name
    }

    /// What decides how files look.
    fn files(&mut self, avro: bool) {
        let formats: &[&str] = if avro {
            &["avro", "avro", "parquet", "orc"]
        } else {
            &["parquet", "parquet", "orc"]
        };
        let format = *self.numbers.pick(formats);
        self.set("file.format", format);
        let compressions: &[&str] = match format {
            _ if avro => &["", "zstd", "snappy"],
            "parquet" => &["", "zstd", "snappy", "gzip", "lz4", "none"],
            _ => &["", "zstd", "snappy", "lz4", "none"],
        };
        self.choose("file.compression", compressions);
        self.choose(
            "metadata.stats-mode",
            &["", "", "none", "counts", "full", "truncate(3)"],
        );
        self.seldom(4, "metadata.stats-dense-store", &["false", "true"]);
        self.seldom(3, "target-file-size", &["1 kb", "4 kb"]);
        self.seldom(4, "manifest.target-file-size", &["1 kb"]);
        self.seldom(4, "manifest.merge-min-count", &["2", "3"]);
        self.seldom(6, "manifest.compression", &["null", "zstd"]);
        self.seldom(5, "partition.legacy-name", &["false"]);
        self.seldom(8, "data-file.path-directory", &["data"]);
        self.seldom(6, "parquet.enable.dictionary", &["false"]);
        self.seldom(8, "file.block-size", &["1 kb"]);
    }

    fn indexes(&mut self, values: &[String]) {
        for (index, fits) in [
            ("bloom-filter", plain as fn(&TypeKind) -> bool),
            ("bitmap", plain),
            ("bsi", counted),
            ("range-bitmap", comparable),
        ] {
            if !self.numbers.one_in(6) {
                continue;
            }
            let fit: Vec<String> = self.columns(values, fits);
            let chosen = self.numbers.some(&fit, 2);
            if !chosen.is_empty() {
                self.set(format!("file-index.{index}.columns"), chosen.join(","));
                self.choose("file-index.in-manifest-threshold", &["", "1 b", "1 mb"]);
            }
        }
    }

    fn columns(&self, among: &[String], fits: fn(&TypeKind) -> bool) -> Vec<String> {
        let wanted = |f: &&DataField| among.contains(&f.name) && fits(&f.data_type.kind);
        self.fields
            .iter()
            .filter(wanted)
            .map(|f| f.name.clone())
            .collect()
    }

    /// Options of a table without a key.
    fn append(&mut self, values: &[String], avro: bool) {
        if self.numbers.one_in(3) {
            self.choose("bucket", &["1", "2", "4"]);
            let candidates = self.columns(values, plain);
            match candidates.first() {
                Some(column) => self.set("bucket-key", column.clone()),
                None => self.set("bucket", "-1"),
            }
        }
        let unaware = matches!(self.get("bucket"), "" | "-1");
        // Java cannot read row ids of Avro files back
        let tracked = unaware && !avro;
        match self.numbers.below(6) {
            0 | 1 => self.set("deletion-vectors.enabled", "true"),
            2 if tracked => self.set("row-tracking.enabled", "true"),
            3 if tracked => {
                self.set("row-tracking.enabled", "true");
                self.set("data-evolution.enabled", "true");
            }
            _ => {}
        }
        if self.get("deletion-vectors.enabled") == "true" {
            self.seldom(3, "deletion-vectors.bitmap64", &["true"]);
        }
        self.seldom(3, "compaction.min.file-num", &["2", "3"]);
    }

    /// Options of a table with a key: its kinds of rows, whether keys are distinct, the column of the row kind.
    fn keyed(
        &mut self,
        values: &[String],
        avro: bool,
    ) -> (&'static [&'static str], bool, Option<i32>) {
        let engine = *self.numbers.pick(&[
            "deduplicate",
            "deduplicate",
            "deduplicate",
            "partial-update",
            "partial-update",
            "aggregation",
            "aggregation",
            "first-row",
        ]);
        self.set("merge-engine", engine);
        // postponed rows wait in Avro files
        let last = if avro { "-2" } else { "-1" };
        let bucket = *self
            .numbers
            .pick(&["1", "1", "2", "3", "4", "-1", "-1", last]);
        self.set("bucket", bucket);
        if bucket == "-1" {
            self.choose("dynamic-bucket.target-row-num", &["", "3", "10"]);
        }
        let producers: &[&str] = match engine {
            "first-row" => &["", "lookup"],
            _ => &["", "", "", "input", "lookup", "full-compaction"],
        };
        self.choose("changelog-producer", producers);
        if matches!(self.get("changelog-producer"), "lookup" | "full-compaction") {
            self.seldom(3, "changelog-producer.row-deduplicate", &["true"]);
        }
        if engine != "first-row"
            && matches!(self.get("changelog-producer"), "" | "lookup")
            && self.numbers.one_in(3)
        {
            self.set("deletion-vectors.enabled", "true");
            self.seldom(3, "deletion-vectors.bitmap64", &["true"]);
        }
        self.seldom(3, "num-sorted-run.compaction-trigger", &["2", "3", "5"]);
        self.seldom(5, "num-levels", &["2", "3"]);
        self.seldom(5, "data-file.thin-mode", &["true"]);
        let levels: &[&str] = if avro {
            &["0:avro", "0:avro,5:parquet"]
        } else {
            &["0:parquet", "1:orc,5:parquet"]
        };
        self.seldom(5, "file.format.per.level", levels);
        let formats: &[&str] = if avro { &["avro"] } else { &["parquet", "orc"] };
        self.seldom(5, "changelog-file.format", formats);
        self.seldom(5, "changelog-file.stats-mode", &["none", "full"]);
        self.seldom(6, "sort-engine", &["min-heap", "loser-tree"]);
        self.seldom(6, "write-buffer-size", &["256 kb"]);
        self.seldom(8, "force-lookup", &["true"]);
        match engine {
            "deduplicate" => self.deduplicate(values),
            "partial-update" => (self.partial_update(values), false, None),
            "aggregation" => (self.aggregation(values), false, None),
            _ => {
                self.seldom(3, "ignore-delete", &["true"]);
                let kinds = if self.get("ignore-delete") == "true" {
                    DELETIONS
                } else {
                    INSERTIONS
                };
                (kinds, false, None)
            }
        }
    }

    fn deduplicate(&mut self, values: &[String]) -> (&'static [&'static str], bool, Option<i32>) {
        let distinct = self.sequence(values);
        self.seldom(6, "ignore-delete", &["true"]);
        self.seldom(6, "ignore-update-before", &["true"]);
        if self.numbers.one_in(10) {
            let id = self.next_id;
            let name = self.column("kind", DataType::nullable(TypeKind::VarChar(MAX_LENGTH)));
            self.set("rowkind.field", name);
            return (ALL, distinct, Some(id));
        }
        (ALL, distinct, None)
    }

    /// Sequence fields, perhaps; whether they descend. Java sorts the rows of one commit in ascending order all the same.
    fn sequence(&mut self, values: &[String]) -> bool {
        if !self.numbers.one_in(3) {
            return false;
        }
        let fit = self.columns(values, ordered);
        let chosen = self.numbers.some(&fit, 2);
        if chosen.is_empty() {
            return false;
        }
        self.set("sequence.field", chosen.join(","));
        self.seldom(3, "sequence.field.sort-order", &["descending"]);
        self.get("sequence.field.sort-order") == "descending"
    }

    fn partial_update(&mut self, values: &[String]) -> &'static [&'static str] {
        let groups = self.columns(values, ordered);
        let mut retractable = true;
        if !groups.is_empty() && values.len() >= 3 && self.numbers.one_in(2) {
            let order = self.numbers.pick(&groups).clone();
            let others: Vec<String> = values.iter().filter(|v| **v != order).cloned().collect();
            let mut members = self.numbers.some(&others, 3);
            if members.is_empty() {
                members.push(others[0].clone());
            }
            self.set(format!("fields.{order}.sequence-group"), members.join(","));
            for member in members {
                if self.numbers.one_in(2) {
                    retractable &= self.aggregate(&member);
                }
            }
            if retractable && self.numbers.one_in(2) {
                self.seldom(
                    2,
                    "partial-update.remove-record-on-sequence-group",
                    &[&order],
                );
                return ALL;
            }
            return INSERTIONS;
        }
        match self.numbers.below(3) {
            0 => {
                self.set("partial-update.remove-record-on-delete", "true");
                DELETIONS
            }
            1 => {
                self.set("ignore-delete", "true");
                ALL
            }
            _ => INSERTIONS,
        }
    }

    fn aggregation(&mut self, values: &[String]) -> &'static [&'static str] {
        self.sequence(values);
        self.options.remove("sequence.field.sort-order");
        let sequence: Vec<String> = self
            .get("sequence.field")
            .split(',')
            .map(str::to_string)
            .collect();
        let mut retractable = true;
        for value in values {
            if !sequence.contains(value) && !self.numbers.one_in(5) {
                retractable &= self.aggregate(value);
            }
        }
        let ignored = self.options.keys().any(|k| k.ends_with(".ignore-retract"));
        if !ignored && self.numbers.one_in(4) {
            self.set("aggregation.remove-record-on-delete", "true");
            return DELETIONS;
        }
        if retractable && self.numbers.one_in(2) {
            ALL
        } else {
            INSERTIONS
        }
    }

    /// Gives a column a function; whether it takes retractions.
    fn aggregate(&mut self, column: &str) -> bool {
        let Some(field) = self.fields.iter().find(|f| f.name == column) else {
            return true;
        };
        let (id, kind) = (field.id, field.data_type.kind.clone());
        let mut fit = vec![
            "last_value",
            "last_non_null_value",
            "first_value",
            "first_non_null_value",
        ];
        match &kind {
            TypeKind::VarChar(MAX_LENGTH) => fit.extend(["listagg", "listagg", "max", "min"]),
            TypeKind::Boolean => fit.extend(["bool_and", "bool_or"]),
            TypeKind::Array(_) => fit.extend(["collect", "collect"]),
            TypeKind::Map(..) => fit.extend(["merge_map", "merge_map"]),
            other if numeric(other) => fit.extend(["sum", "sum", "sum", "product", "max", "min"]),
            other if comparable(other) => fit.extend(["max", "min"]),
            _ => {}
        }
        let function = *self.numbers.pick(&fit);
        self.set(format!("fields.{column}.aggregate-function"), function);
        if matches!(function, "sum" | "product") {
            self.small.insert(id);
        }
        if function == "listagg" {
            self.seldom(
                2,
                &format!("fields.{column}.list-agg-delimiter"),
                &["|", "; "],
            );
        }
        let retractable = matches!(
            function,
            "sum" | "last_value" | "last_non_null_value" | "collect" | "merge_map"
        );
        if !retractable && self.numbers.one_in(2) {
            self.set(format!("fields.{column}.ignore-retract"), "true");
            return true;
        }
        retractable
    }
}
