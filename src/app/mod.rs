//! Wires the layers together; the environment and the exit codes are known here.
