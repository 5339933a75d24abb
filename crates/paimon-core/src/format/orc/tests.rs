//! Unit tests come with the length checks.
