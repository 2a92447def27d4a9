//! What holds of the program and its documents, one program for all of it: it is linked once.

mod check;
mod common;
mod compare;
mod data;
mod disk_full;
mod divergence;
mod documents;
mod errors;
mod folder;
mod kills;
mod liu2022;
mod python;
mod reproduce;
mod resume;
mod run;
mod signals;
mod start_from;
mod tables;
mod threads;
