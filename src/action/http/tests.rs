//! The action against a real server.
