//! `paimon fsck`.

use crate::support::{paimon, plain, warehouse};

#[test]
fn a_sound_table_has_no_findings() {
    let folder = warehouse(&["pk-dv-lookup"]);
    let run = paimon(folder.path(), &["fsck", "default.pk_dv_lookup"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.ends_with(" 0 findings\n"), "{run:?}");
    let run = paimon(folder.path(), &["fsck", "--json", "default.pk_dv_lookup"]);
    assert!(run.stdout.contains("\"findings\":[]"), "{run:?}");
}

#[test]
fn damage_is_printed_and_makes_the_program_fail() {
    let folder = warehouse(&["append-plain"]);
    let bucket = folder.path().join("default.db/append_plain/bucket-0");
    let file = std::fs::read_dir(bucket).unwrap().next().unwrap().unwrap();
    std::fs::remove_file(file.path()).unwrap();
    let run = paimon(folder.path(), &["fsck", "default.append_plain"]);
    assert_eq!(run.code, 4, "{run:?}");
    assert!(run.stdout.contains("I2 file does not exist"), "{run:?}");
    let name = file.file_name().into_string().unwrap();
    assert!(run.stdout.contains(&name), "{run:?}");
}

#[test]
fn a_table_that_does_not_exist_is_an_error() {
    let folder = warehouse(&[]);
    let run = paimon(folder.path(), &["fsck", "default.nothing"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert_eq!(plain(&["fsck", "default.t"]).code, 2);
}

#[test]
fn a_system_table_is_refused() {
    let folder = warehouse(&["append-plain"]);
    let run = paimon(folder.path(), &["fsck", "append_plain$snapshots"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("not system tables"), "{run:?}");
    assert_eq!(run.stdout, "");
}
