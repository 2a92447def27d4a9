//! What holds of the fuzzer, and a first round of it.

mod round;
