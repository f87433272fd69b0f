//! Runbook as code: operations manuals that run, judge and end in an exit code.
//!
//! The layers look down only; `CONTRIBUTING.md` is their map and `tests/it/layers.rs` holds them to it.

pub mod action;
pub mod app;
pub mod base;
pub mod book;
pub mod cli;
pub mod config;
pub mod engine;
pub mod event;
pub mod expr;
pub mod model;
pub mod plan;
pub mod platform;
pub mod report;
pub mod sql;
pub mod store;
pub mod term;
