// The exercise's own tests, on the solution.
extern crate sol_cache_aside as cache_aside;
include!("../../../../exercises/03_cache/01_cache_aside/tests/cache_aside/main.rs");
