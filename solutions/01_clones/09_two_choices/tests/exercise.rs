// The exercise's own tests, on the solution.
extern crate sol_two_choices as two_choices;
include!("../../../../exercises/01_clones/09_two_choices/tests/two_choices/main.rs");
