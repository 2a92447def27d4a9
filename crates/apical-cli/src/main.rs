//! The program `apical`.

use std::process::ExitCode;

fn main() -> ExitCode {
    apical_cli::main()
}
