// The exercise's own tests, on the solution.
extern crate sol_bucket_routing as bucket_routing;
include!("../../../../exercises/02_database/05_bucket_routing/tests/bucket_routing.rs");
