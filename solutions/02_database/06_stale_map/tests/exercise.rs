// The exercise's own tests, on the solution.
extern crate sol_stale_map as stale_map;
include!("../../../../exercises/02_database/06_stale_map/tests/stale_map.rs");
