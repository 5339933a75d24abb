//! What a variant is made of, as a type.
//!
//! Source: Spark's `SchemaOfVariant`, `JsonInferSchema.compatibleType`.

use std::collections::BTreeMap;
use std::fmt;

use parquet_variant::Variant;

use super::print::stripped;

/// Most digits of a DECIMAL.
const DIGITS_MAX: u8 = 38;
/// Digits that any BIGINT has room in.
const BIGINT_DIGITS: u8 = 20;

/// Type of a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Schema {
    Object(BTreeMap<String, Schema>),
    Array(Box<Schema>),
    Decimal {
        digits: u8,
        scale: u8,
    },
    /// By its name.
    Plain(&'static str),
}

const VOID: Schema = Schema::Plain("VOID");
const VARIANT: Schema = Schema::Plain("VARIANT");

impl Schema {
    pub(super) fn of(variant: &Variant<'_, '_>) -> Self {
        Self::Plain(match variant {
            Variant::Object(object) => {
                let fields = object.iter();
                let fields = fields.map(|(name, value)| (name.to_string(), Self::of(&value)));
                return Self::Object(fields.collect());
            }
            Variant::List(list) => {
                let items = list.iter().map(|item| Self::of(&item));
                return Self::Array(Box::new(items.fold(VOID, Self::common)));
            }
            Variant::Decimal4(v) => return decimal(i128::from(v.integer()), v.scale()),
            Variant::Decimal8(v) => return decimal(i128::from(v.integer()), v.scale()),
            Variant::Decimal16(v) => return decimal(v.integer(), v.scale()),
            Variant::Null => "VOID",
            Variant::BooleanTrue | Variant::BooleanFalse => "BOOLEAN",
            Variant::Int8(_) | Variant::Int16(_) | Variant::Int32(_) | Variant::Int64(_) => {
                "BIGINT"
            }
            Variant::Float(_) => "FLOAT",
            Variant::Double(_) => "DOUBLE",
            Variant::Date(_) => "DATE",
            Variant::Time(_) => "TIME",
            Variant::TimestampMicros(_) | Variant::TimestampNanos(_) => "TIMESTAMP",
            Variant::TimestampNtzMicros(_) | Variant::TimestampNtzNanos(_) => "TIMESTAMP_NTZ",
            Variant::Binary(_) => "BINARY",
            Variant::Uuid(_) => "UUID",
            Variant::String(_) | Variant::ShortString(_) => "STRING",
        })
    }

    /// The narrowest type that takes both.
    fn common(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other || other == VOID => one,
            (one, other) if one == VOID => other,
            (Self::Object(mut one), Self::Object(other)) => {
                for (name, schema) in other {
                    let merged = match one.remove(&name) {
                        Some(own) => own.common(schema),
                        None => schema,
                    };
                    one.insert(name, merged);
                }
                Self::Object(one)
            }
            (Self::Array(one), Self::Array(other)) => Self::Array(Box::new(one.common(*other))),
            (
                Self::Decimal { digits, scale },
                Self::Decimal {
                    digits: other_digits,
                    scale: other_scale,
                },
            ) => {
                let before = (digits - scale).max(other_digits - other_scale);
                let scale = scale.max(other_scale);
                match before + scale {
                    digits if digits > DIGITS_MAX => Self::Plain("DOUBLE"),
                    digits => Self::Decimal { digits, scale },
                }
            }
            (own @ Self::Decimal { .. }, Self::Plain(name))
            | (Self::Plain(name), own @ Self::Decimal { .. }) => match name {
                "BIGINT" => own.common(Self::Decimal {
                    digits: BIGINT_DIGITS,
                    scale: 0,
                }),
                "DOUBLE" => Self::Plain("DOUBLE"),
                _ => VARIANT,
            },
            (Self::Plain(one), Self::Plain(other)) => wider(one, other),
            _ => VARIANT,
        }
    }
}

/// Of two different types without parts the one that takes both.
fn wider(one: &'static str, other: &'static str) -> Schema {
    const LADDERS: [&[&str]; 2] = [
        &["BIGINT", "FLOAT", "DOUBLE"],
        &["DATE", "TIMESTAMP_NTZ", "TIMESTAMP"],
    ];
    let place = |ladder: &[&str], name: &str| ladder.iter().position(|step| *step == name);
    for ladder in LADDERS {
        if let (Some(a), Some(b)) = (place(ladder, one), place(ladder, other)) {
            return Schema::Plain(if a > b { one } else { other });
        }
    }
    VARIANT
}

/// The type of a decimal without zeros at its end.
fn decimal(unscaled: i128, scale: u8) -> Schema {
    let (unscaled, scale) = stripped(unscaled, scale);
    let digits = unscaled.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
    let digits = u8::try_from(digits).unwrap_or(DIGITS_MAX);
    Schema::Decimal {
        digits: digits.max(scale),
        scale,
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(name) => f.write_str(name),
            Self::Decimal { digits, scale } => write!(f, "DECIMAL({digits},{scale})"),
            Self::Array(items) => write!(f, "ARRAY<{items}>"),
            Self::Object(fields) => {
                f.write_str("OBJECT<")?;
                for (i, (name, schema)) in fields.iter().enumerate() {
                    let comma = if i > 0 { ", " } else { "" };
                    write!(f, "{comma}{}: {schema}", quoted(name))?;
                }
                f.write_str(">")
            }
        }
    }
}

/// A name in backticks unless it is of letters, digits and underlines.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let number = name.chars().all(|c| c.is_ascii_digit());
    match !number && name.chars().all(plain) {
        true => name.to_string(),
        false => format!("`{}`", name.replace('`', "``")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::function::variant::read::variant_of;

    fn schema(json: &str) -> String {
        let (metadata, value) = variant_of(json).unwrap();
        Schema::of(&Variant::try_new(&metadata, &value).unwrap()).to_string()
    }

    #[test]
    fn values_have_the_types_of_spark() {
        for (json, expected) in [
            ("null", "VOID"),
            ("1", "BIGINT"),
            ("1.23", "DECIMAL(3,2)"),
            ("0.01", "DECIMAL(2,2)"),
            ("100.0", "DECIMAL(3,0)"),
            ("1e3", "DOUBLE"),
            ("\"x\"", "STRING"),
            ("[]", "ARRAY<VOID>"),
            ("{}", "OBJECT<>"),
            (
                r#"[{"b": true, "a": 0}]"#,
                "ARRAY<OBJECT<a: BIGINT, b: BOOLEAN>>",
            ),
            (
                r#"{"a b": 1, "12": 2, "x`y": null}"#,
                "OBJECT<`12`: BIGINT, `a b`: BIGINT, `x``y`: VOID>",
            ),
        ] {
            assert_eq!(schema(json), expected, "{json}");
        }
    }

    #[test]
    fn items_of_an_array_share_a_type() {
        for (json, expected) in [
            ("[1, null]", "BIGINT"),
            ("[1, 2.5]", "DECIMAL(21,1)"),
            ("[1.5, 2.25]", "DECIMAL(3,2)"),
            ("[1, 1e3]", "DOUBLE"),
            ("[1.5, 1e3]", "DOUBLE"),
            ("[0.12345678901234567891, 1]", "DOUBLE"),
            ("[1, \"x\"]", "VARIANT"),
            ("[[1], [\"x\"], []]", "ARRAY<VARIANT>"),
            (
                r#"[{"a": 1}, {"b": true}, {"a": 1e3}]"#,
                "OBJECT<a: DOUBLE, b: BOOLEAN>",
            ),
            (r#"[{"a": 1}, [1]]"#, "VARIANT"),
        ] {
            assert_eq!(schema(json), format!("ARRAY<{expected}>"), "{json}");
        }
        assert_eq!(wider("DATE", "TIMESTAMP"), Schema::Plain("TIMESTAMP"));
        assert_eq!(
            wider("TIMESTAMP", "TIMESTAMP_NTZ"),
            Schema::Plain("TIMESTAMP")
        );
        assert_eq!(wider("DATE", "BIGINT"), VARIANT);
    }
}
