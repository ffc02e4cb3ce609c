//! What tests and benches share: real Node releases, fixtures, the tool as a child process.
