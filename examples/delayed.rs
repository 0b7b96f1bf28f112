//! Functions of any kind as tasks: twenty chains of `inc`, `dec` and `add`, each of which sleeps, first called one after the
//! other and then as delayed tasks.
//!
//! `cargo run --release --example delayed [MILLISECONDS]` sets how long each call sleeps: 5 unless told.

use std::time::{Duration, Instant};

use partita::prelude::*;

fn inc(x: i64, sleep: Duration) -> i64 {
    std::thread::sleep(sleep);
    x + 1
}

fn dec(x: i64, sleep: Duration) -> i64 {
    std::thread::sleep(sleep);
    x - 1
}

fn add(x: i64, y: i64, sleep: Duration) -> i64 {
    std::thread::sleep(sleep);
    x + y
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let milliseconds = std::env::args().nth(1).map_or(Ok(5), |text| text.parse())?;
    let sleep = Duration::from_millis(milliseconds);

    let begun = Instant::now();
    let plain: i64 = (0..20).map(|n| add(inc(n, sleep), dec(2 * n, sleep), sleep)).sum();
    let one_by_one = begun.elapsed();
    println!("plain calls:   {one_by_one:>10.1?}, the sum is {plain}");

    // Who sleeps needs no core: more threads than cores pay.
    let session = Session::builder().threads(8).build()?;
    let begun = Instant::now();
    let chains = (0..20).map(|n| {
        let x = session.delayed("inc", move || inc(n, sleep));
        let y = session.delayed("dec", move || dec(2 * n, sleep));
        x.zip(&y).map("add", move |(x, y)| add(*x, *y, sleep))
    });
    let total = Delayed::tree_reduce("sum", chains, |a, b| a + b);
    println!("delayed tasks: {:>10.1?} to write down, as nothing runs yet", begun.elapsed());
    let begun = Instant::now();
    let sum = total.compute()?;
    let together = begun.elapsed();
    println!("computed:      {together:>10.1?}, the sum is {sum}, on {} threads", session.threads());
    println!("speed-up:      {:>10.1}", one_by_one.as_secs_f64() / together.as_secs_f64());
    if *sum == plain { Ok(()) } else { Err("the sums differ".into()) }
}
