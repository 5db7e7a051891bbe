// The exercise's own tests, on the solution.
extern crate sol_draining as draining;
include!("../../../../exercises/01_clones/05_draining/tests/draining.rs");
