//! Where the journal lives.
