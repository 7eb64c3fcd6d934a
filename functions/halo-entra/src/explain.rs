//! `explain`: what would happen to a person now, rule by rule.
