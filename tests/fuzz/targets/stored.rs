//! Hands stored records to their body.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| { tests::fuzzed::stored::run(data); });
