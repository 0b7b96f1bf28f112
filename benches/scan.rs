//! Throughput of the scan.

fn main() {}
