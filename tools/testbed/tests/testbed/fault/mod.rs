//! What the fault proxy promises, with both ends of every connection in the test's hand.

mod broken;
mod gone;
mod healthy;
mod life;
mod slow;
mod support;
