// The exercise's own tests, on the solution.
extern crate sol_fencing as fencing;
include!("../../../../exercises/02_database/04_fencing/tests/fencing/main.rs");
