//! The world outside, one file a system. Knows nothing of runbooks.

mod blocking;
pub mod bounds;
pub mod certificate;
pub mod d1;
pub mod disk;
pub mod dns;
pub mod draft;
pub mod files;
pub mod halted;
pub mod http;
pub mod memory;
pub mod postgres;
pub mod process;
pub mod redis;
pub mod revocation;
pub mod rows;
pub mod sqlite;
pub mod tcp;
pub mod tls;
pub mod wrangler;
