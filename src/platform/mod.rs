//! The world outside, one file a system. Knows nothing of runbooks.

pub mod certificate;
pub mod disk;
pub mod dns;
pub mod http;
pub mod memory;
pub mod tcp;
pub mod tls;
