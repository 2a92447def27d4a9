//! Let the linker leave Python's symbols open, which macOS must be told.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
