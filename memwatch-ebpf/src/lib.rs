//! Empty: a library target lets cargo see this package as a build dependency of the collector.
#![no_std]
