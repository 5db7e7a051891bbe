// The exercise's own tests, on the solution.
extern crate sol_retry_budget as retry_budget;
include!("../../../../exercises/01_clones/06_retry_budget/tests/retry_budget.rs");
