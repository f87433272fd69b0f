//! The terminal: colour, width, progress, questions. The only place that prints.
