//! What holds of files and figures, one program for all of it: it is linked once.

mod checkpoint_file;
mod data;
mod data_arrays;
mod data_text;
mod data_values;
mod figure;
mod files;
mod schema;
mod table;
