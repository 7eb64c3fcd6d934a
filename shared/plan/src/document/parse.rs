//! x
use super::*;
/// x
pub fn parse(_v: &serde_json::Value, _c: CustomClouds) -> Result<Parsed, Vec<Mistake>> { Err(vec![]) }
