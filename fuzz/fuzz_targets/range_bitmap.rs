#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| paimon_testing::fuzz::range_bitmap(data));
