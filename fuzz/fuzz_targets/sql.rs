//! Feeds `sql::check` with what the fuzzer invents.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| opsbook_fuzz::sql::check(data));
