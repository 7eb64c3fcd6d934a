//! Hands documents, facts and links to their body.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| { tests::fuzzed::decisions::run(data); });
