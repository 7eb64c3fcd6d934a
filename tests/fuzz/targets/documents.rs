//! Hands connection documents to their body.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| { tests::fuzzed::documents::run(data); });
