//! What holds of files and figures, one program for all of it: it is linked once.

mod checkpoint_file;
mod data;
mod figure;
mod files;
mod table;
