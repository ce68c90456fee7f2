//! The binary `annals`; everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    annals_repl::main()
}
