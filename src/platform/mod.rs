//! The world outside, one file a system. Knows nothing of runbooks.

mod blocking;
pub mod files;
pub mod process;
pub mod rows;
pub mod sqlite;
