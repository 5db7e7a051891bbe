// The exercise's own tests, on the solution.
extern crate sol_read_write_split as read_write_split;
include!("../../../../exercises/02_database/01_read_write_split/tests/read_write_split.rs");
