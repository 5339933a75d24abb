//! What concerns catalogs beside the files of one table: what they know of tables, tables of other kinds, copies.

pub(super) mod clone;
pub(super) mod copy;
pub(super) mod functions;
pub(super) mod migrate;
pub(super) mod repair;
pub(super) mod views;
