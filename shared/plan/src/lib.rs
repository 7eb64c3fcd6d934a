//! Every choice of the product as pure functions: data in, decisions with their reasons out.
//!
//! Nothing here waits, reads a clock, the environment or a network, logs, or draws a random number;
//! the same input gives the same bytes. Whoever carries a decision out has nothing left to choose.

pub mod assignment;
pub mod boards;
pub mod budget;
pub mod catalogue;
pub mod conditions;
pub mod cursor;
pub mod decide;
pub mod difference;
pub mod document;
pub mod effect;
pub mod expiry;
pub mod explain;
pub mod facts;
pub mod failure;
pub mod fields;
mod granted;
pub mod groups;
pub mod guard;
pub mod ids;
pub mod licences;
pub mod link;
pub mod matching;
pub mod message;
pub mod placement;
pub mod preview;
pub mod reading;
pub mod relink;
pub mod reset;
pub mod roles;
pub mod rules;
pub mod schedule;
mod sight;
pub mod sign_ins;
pub mod sign_on;
pub mod tally;
