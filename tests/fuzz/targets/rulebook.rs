#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| interline_fuzz::readers::check("rulebook", bytes));
