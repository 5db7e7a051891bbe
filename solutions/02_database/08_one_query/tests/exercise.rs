// The exercise's own tests, on the solution.
extern crate sol_one_query as one_query;
include!("../../../../exercises/02_database/08_one_query/tests/one_query.rs");
