//! Data files of one bucket: names, rows, statistics, rolling by size, deletion vectors beside them.

pub(super) mod data_file;
pub(super) mod paths;
pub(super) mod rolling;
pub(super) mod rows;
pub(super) mod vectors;
