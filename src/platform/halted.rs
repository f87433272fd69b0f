//! What is left of statements that run one after the other, each kept by itself, where one of them fails.

/// Why they went no further, and how far they went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halted<E> {
    /// How many statements were done before, and stay.
    pub done: usize,
    /// What went wrong with the next one, or with all of them.
    pub error: E,
}

impl<E> Halted<E> {
    /// Nothing was begun.
    pub const fn at_once(error: E) -> Self {
        Self { done: 0, error }
    }
}
