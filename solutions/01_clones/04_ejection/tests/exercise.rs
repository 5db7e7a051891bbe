// The exercise's own tests, on the solution.
extern crate sol_ejection as ejection;
include!("../../../../exercises/01_clones/04_ejection/tests/ejection.rs");
