// The exercise's own tests, on the solution.
extern crate sol_monotonic_reads as monotonic_reads;
include!("../../../../exercises/02_database/03_monotonic_reads/tests/monotonic_reads/main.rs");
