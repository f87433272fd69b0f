//! What can go wrong with a real PostgreSQL server, and what a person is told of it.
