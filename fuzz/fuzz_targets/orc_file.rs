#![no_main]
use std::sync::Once;

// the ORC decoder panics on broken files, and its caller makes errors of that: libFuzzer's hook would abort before
static QUIET: Once = Once::new();

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    QUIET.call_once(|| std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))));
    paimon_testing::fuzz::orc_file(data);
});
