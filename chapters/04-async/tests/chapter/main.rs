//! The chapter's tests: queues, workers, events and pre-rendered pages. One binary, because each
//! binary costs link time.

mod acknowledgement;
mod contracts;
mod late_replica;
mod memory_queue;
mod notifications;
mod pages;
mod postgres_job_store;
mod rabbitmq_queue;
mod support;
mod test_catalog;
mod worker;
mod worker_processes;
