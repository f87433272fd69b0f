//! What a piece of SQL may do, by parsing it.
