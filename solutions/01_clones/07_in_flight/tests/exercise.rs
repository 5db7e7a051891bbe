// The exercise's own tests, on the solution.
extern crate sol_in_flight as in_flight;
include!("../../../../exercises/01_clones/07_in_flight/tests/in_flight.rs");
