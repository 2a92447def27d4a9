//! What holds of the library, one program for all of it: it is linked once.

mod allocation;
mod batch;
mod check;
mod common;
mod comparison;
mod constraints;
mod counting;
mod dendritic;
mod errors;
mod evaluation;
mod golden;
mod golden_modprop;
mod health;
mod lattice;
mod modprop;
mod modprop_by_hand;
mod murray2019;
mod murray2019_means;
mod murray2019_outputs;
mod optimizers;
mod partials;
mod recorder;
mod resume;
mod rflo;
mod rules;
mod tasks;
