//! The command tree: built-in verbs, one file each, and one command per runbook.
