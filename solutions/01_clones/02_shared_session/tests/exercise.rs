// The exercise's own tests, on the solution.
extern crate sol_shared_session as shared_session;
include!("../../../../exercises/01_clones/02_shared_session/tests/shared_session/main.rs");
