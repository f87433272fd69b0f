//! A runbook with its inputs resolved and its effects known, before anything runs.
