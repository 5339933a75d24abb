//! To be filled by the module's own commit.
