// The exercise's own tests, on the solution.
extern crate sol_hello_queue as hello_queue;
include!("../../../../exercises/04_async/01_hello_queue/tests/hello_queue.rs");
