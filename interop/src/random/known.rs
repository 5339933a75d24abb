//! Where a release of Java is known to differ: such tables are left out, with the reason. Smaller differences are kept out
//! where values, filters and steps are chosen.

use super::definition::Definition;

/// Why nothing is played on a table.
pub fn of(definition: &Definition, release: &str) -> Option<&'static str> {
    let lists = |v: &String| v == "listagg";
    let listagg = definition.schema.options.values().any(lists);
    match release {
        "1.4.2" if listagg => {
            Some("1.4.2 joins blank texts in listagg, 2.0.0 and this engine leave them out")
        }
        _ => None,
    }
}
