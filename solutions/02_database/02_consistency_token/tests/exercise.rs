// The exercise's own tests, on the solution.
extern crate sol_consistency_token as consistency_token;
include!("../../../../exercises/02_database/02_consistency_token/tests/consistency_token.rs");
