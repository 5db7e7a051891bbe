// The exercise's own tests, on the solution.
extern crate sol_draining as draining;
include!("../../../../exercises/01_clones/08_draining/tests/draining/main.rs");
