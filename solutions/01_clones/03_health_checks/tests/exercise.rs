// The exercise's own tests, on the solution.
extern crate sol_health_checks as health_checks;
include!("../../../../exercises/01_clones/03_health_checks/tests/health_checks.rs");
