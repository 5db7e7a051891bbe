// The exercise's own tests, on the solution.
extern crate sol_safe_retries as safe_retries;
include!("../../../../exercises/01_clones/05_safe_retries/tests/safe_retries.rs");
