//! The binary `partita`: see `cli`.

fn main() {}
