//! Compile the generic entry points in both precisions here, once for every crate that calls them.
//!
//! A generic function is compiled anew in each crate that uses it, unless it is `#[inline(never)]` and the crate that
//! defines it has compiled it for the same type. All rules, tasks and neurons hang on the few functions named below.

use std::hint::black_box;

use crate::analysis::Comparison;
use crate::feedback::FeedbackSpec;
use crate::monitor::Recorder;
use crate::network::Network;
use crate::neuron::NeuronSpec;
use crate::optimizer::Optimizer;
use crate::rule::RuleSpec;
use crate::task::TaskSpec;
use crate::{Learner, Scalar};

/// Keeps the functions in the library though nothing here calls them in both precisions.
#[used]
static COMPILED: [fn(); 2] = [entry_points::<f32>, entry_points::<f64>];

fn entry_points<T: Scalar>() {
    black_box(RuleSpec::build::<T> as fn(_, _) -> _);
    black_box(TaskSpec::build::<T> as fn(_, _, _, _, _) -> _);
    black_box(NeuronSpec::build::<T> as fn(_) -> _);
    black_box(FeedbackSpec::build::<T> as fn(_, _, _, _) -> _);
    black_box(Optimizer::<T>::new as fn(_, _, _) -> _);
    black_box(Network::<T>::new as fn(_, _, _, _, _) -> _);
    black_box(Network::<T>::step::<true> as fn(_, _, _));
    black_box(Network::<T>::step::<false> as fn(_, _, _));
    black_box(Learner::<T>::new as fn(_, _, _, _) -> _);
    black_box(Learner::<T>::with_network as fn(_, _, _) -> _);
    black_box(Learner::<T>::learn as fn(_, _, _) -> _);
    black_box(Learner::<T>::learn_sample as fn(_, _) -> _);
    black_box(Learner::<T>::run as fn(_, _, _, _) -> _);
    black_box(Learner::<T>::begin_trial as fn(_));
    black_box(Learner::<T>::end_trial as fn(_));
    black_box(Learner::<T>::advance as fn(_, _, _, _) -> _);
    black_box(Learner::<T>::update as fn(_));
    black_box(Learner::<T>::evaluate as fn(_, _, _) -> _);
    black_box(Learner::<T>::find as fn(_, _) -> _);
    black_box(Learner::<T>::read as fn(_, _) -> _);
    black_box(Learner::<T>::state as fn(_, _) -> _);
    black_box(Recorder::new::<T> as fn(_, _) -> _);
    black_box(Comparison::<T>::new as fn(_, _, _, _) -> _);
    black_box(Comparison::<T>::learn as fn(_, _, _) -> _);
    black_box(Comparison::<T>::watch as fn(_, _) -> _);
    black_box(Comparison::<T>::end_trial as fn(_, _));
}
