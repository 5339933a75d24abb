//! The kinds of tables.

/// A kind of table.
pub(super) struct Kind {
    /// Head of its column.
    pub(super) name: &'static str,
    /// Its primary key; empty without one.
    key: &'static str,
    /// Its options as `'key' = 'value', ..`.
    pub(super) options: &'static str,
    /// Whether rows wait until they are compacted.
    pub(super) rows_wait: bool,
    pub(super) is_format_table: bool,
}

impl Kind {
    const fn append(name: &'static str, options: &'static str) -> Self {
        Self {
            name,
            key: "",
            options,
            rows_wait: false,
            is_format_table: false,
        }
    }

    const fn keyed(name: &'static str, options: &'static str) -> Self {
        Self {
            key: "id, p",
            ..Self::append(name, options)
        }
    }

    const fn across(name: &'static str, options: &'static str) -> Self {
        Self {
            key: "id",
            ..Self::append(name, options)
        }
    }

    const fn postponed(name: &'static str, options: &'static str) -> Self {
        Self {
            rows_wait: true,
            ..Self::keyed(name, options)
        }
    }

    /// The statement that makes the table.
    pub(super) fn create(&self) -> String {
        let key = match self.key {
            "" => String::new(),
            key => format!(", PRIMARY KEY ({key}) NOT ENFORCED"),
        };
        let options = match self.options {
            "" => String::new(),
            options => format!(" WITH ({options})"),
        };
        format!("CREATE TABLE t (id INT, v INT, w STRING, p INT{key}) PARTITIONED BY (p){options}")
    }
}

/// Kinds that are shown in one table.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) kinds: &'static [Kind],
}

pub(super) const SECTIONS: &[Section] = &[
    Section {
        title: "Append tables",
        kinds: &[
            Kind::append("plain", ""),
            Kind::append("bucketed", "'bucket' = '2', 'bucket-key' = 'id'"),
            Kind::append("deletion vectors", "'deletion-vectors.enabled' = 'true'"),
            Kind::append("row tracking", "'row-tracking.enabled' = 'true'"),
            Kind::append(
                "data evolution",
                "'row-tracking.enabled' = 'true', 'data-evolution.enabled' = 'true'",
            ),
            Kind::append(
                "data evolution, deletion vectors",
                "'row-tracking.enabled' = 'true', 'data-evolution.enabled' = 'true', 'deletion-vectors.enabled' = 'true'",
            ),
        ],
    },
    Section {
        title: "Primary-key tables that keep the newest row",
        kinds: &[
            Kind::keyed("fixed buckets", "'bucket' = '2'"),
            Kind::keyed("dynamic buckets", "'bucket' = '-1'"),
            Kind::across("across partitions", "'bucket' = '-1'"),
            Kind::postponed("postponed buckets", "'bucket' = '-2'"),
            Kind::keyed(
                "deletion vectors",
                "'bucket' = '2', 'deletion-vectors.enabled' = 'true'",
            ),
            Kind::keyed(
                "`ignore-delete`",
                "'bucket' = '2', 'ignore-delete' = 'true'",
            ),
        ],
    },
    Section {
        title: "`merge-engine` = `partial-update`",
        kinds: &[
            Kind::keyed(
                "fixed buckets",
                "'merge-engine' = 'partial-update', 'bucket' = '2'",
            ),
            Kind::keyed(
                "dynamic buckets",
                "'merge-engine' = 'partial-update', 'bucket' = '-1'",
            ),
            Kind::across(
                "across partitions",
                "'merge-engine' = 'partial-update', 'bucket' = '-1'",
            ),
            Kind::postponed(
                "postponed buckets",
                "'merge-engine' = 'partial-update', 'bucket' = '-2'",
            ),
            Kind::keyed(
                "rows can be removed",
                "'merge-engine' = 'partial-update', 'bucket' = '2', 'partial-update.remove-record-on-delete' = 'true'",
            ),
        ],
    },
    Section {
        title: "`merge-engine` = `aggregation`",
        kinds: &[
            Kind::keyed(
                "fixed buckets",
                "'merge-engine' = 'aggregation', 'bucket' = '2'",
            ),
            Kind::keyed(
                "dynamic buckets",
                "'merge-engine' = 'aggregation', 'bucket' = '-1'",
            ),
            Kind::across(
                "across partitions",
                "'merge-engine' = 'aggregation', 'bucket' = '-1'",
            ),
            Kind::postponed(
                "postponed buckets",
                "'merge-engine' = 'aggregation', 'bucket' = '-2'",
            ),
            Kind::keyed(
                "rows can be removed",
                "'merge-engine' = 'aggregation', 'bucket' = '2', 'aggregation.remove-record-on-delete' = 'true'",
            ),
        ],
    },
    Section {
        title: "`merge-engine` = `first-row`",
        kinds: &[
            Kind::keyed(
                "fixed buckets",
                "'merge-engine' = 'first-row', 'bucket' = '2'",
            ),
            Kind::keyed(
                "dynamic buckets",
                "'merge-engine' = 'first-row', 'bucket' = '-1'",
            ),
            Kind::across(
                "across partitions",
                "'merge-engine' = 'first-row', 'bucket' = '-1'",
            ),
            Kind::postponed(
                "postponed buckets",
                "'merge-engine' = 'first-row', 'bucket' = '-2'",
            ),
        ],
    },
    Section {
        title: "Format tables",
        kinds: &[
            Kind {
                is_format_table: true,
                ..Kind::append("csv", "'type' = 'format-table', 'file.format' = 'csv'")
            },
            Kind {
                is_format_table: true,
                ..Kind::append(
                    "parquet",
                    "'type' = 'format-table', 'file.format' = 'parquet'",
                )
            },
        ],
    },
];
