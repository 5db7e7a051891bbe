// The exercise's own tests, on the solution.
extern crate sol_hello_worker as hello_worker;
include!("../../../../exercises/04_async/02_hello_worker/tests/hello_worker.rs");
