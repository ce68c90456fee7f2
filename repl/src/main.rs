//! The binary `annals`; everything is in the library beside it.

use std::process::ExitCode;

/// Threads of a server make and drop many small values.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    annals_repl::main()
}
