//! Agents, roles, boards and what they do over whole runs, against a Halo that others work in too.

#![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

mod activity;
mod boards;
mod connections;
mod first;
mod managers;
mod roles;
