// The exercise's own tests, on the solution.
extern crate sol_round_robin as round_robin;
include!("../../../../exercises/01_clones/01_round_robin/tests/round_robin.rs");
