// The exercise's own tests, on the solution.
extern crate sol_scatter_gather as scatter_gather;
include!("../../../../exercises/02_database/07_scatter_gather/tests/scatter_gather/main.rs");
