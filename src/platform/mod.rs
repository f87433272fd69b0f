//! The world outside, one file a system. Knows nothing of runbooks.
