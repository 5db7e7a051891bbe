// The exercise's own tests, on the solution.
extern crate sol_bucket_move as bucket_move;
include!("../../../../exercises/02_database/09_bucket_move/tests/bucket_move/main.rs");
