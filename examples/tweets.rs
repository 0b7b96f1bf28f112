//! An analysis of short messages, as one does it with bags: JSON lines are generated, read as records, and asked when they were written, which
//! hashtags are the most frequent, by day too, and which came first on a given day.
//!
//! `cargo run --release --example tweets [MESSAGES]` sets how many there are: 20000 unless told.

use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, Timelike};
use partita::prelude::*;
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

/// What is used of a message. serde passes over the rest.
#[derive(Debug, Clone, Deserialize)]
struct Tweet {
    created_at: String,
    text: String,
    user: User,
}

#[derive(Debug, Clone, Deserialize)]
struct User {
    screen_name: String,
}

/// When it was written, as the messages say it.
fn time(tweet: &Tweet) -> std::result::Result<DateTime<chrono::FixedOffset>, chrono::ParseError> {
    DateTime::parse_from_str(&tweet.created_at, "%a %b %d %H:%M:%S %z %Y")
}

/// Messages of some days, one of them broken.
fn generated(messages: usize) -> String {
    let tags = ["rust", "data", "trade", "music", "news"];
    let mut text = String::new();
    for n in 0..messages {
        let (day, minute) = (1 + n * 7 / messages, n * 7919 % 1440);
        let (hour, minute) = (minute / 60, minute % 60);
        let (tag, other) = (tags[n * n % 5], tags[n * 3 % 5]);
        // Writing to a text can't fail.
        _ = writeln!(
            text,
            "{{\"id\":{n},\"created_at\":\"{} Mar {day:02} {hour:02}:{minute:02}:00 +0000 2022\",\
             \"user\":{{\"screen_name\":\"user{}\"}},\"text\":\"number {n} on #{tag} and #{other}\"}}",
            ["Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Mon"][day - 1],
            n % 97,
        );
    }
    text + "{\"id\": cut off\n"
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let messages = std::env::args().nth(1).map_or(Ok(20_000), |text| text.parse())?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("tweets.jsonl");
    std::fs::write(&file, generated(messages))?;

    // Pieces of 1 MB, for there to be several of so little.
    let session = Session::builder().partition_size(1_000_000).build()?;
    let records = session.try_read_json::<Tweet>(&*file);
    let rejects = records.flat_map(|record| record.err()).compute()?;
    println!("{} bad records:", rejects.len());
    rejects.iter().for_each(|error| println!("{error}"));
    let tweets = records.flat_map(|record| record.ok());

    // Times are parsed once and kept with their messages.
    let timed =
        tweets.try_map(|tweet| time(&tweet).map(|time| (time.to_rfc3339(), tweet.text, tweet.user.screen_name)));
    let timed = timed.persist()?;
    let hours = timed.try_map(|(time, ..)| DateTime::parse_from_rfc3339(&time).map(|time| time.hour()));
    println!("\nmessages by hour: {:?}", hours.frequencies().topk_by(3, |a, b| a.1.cmp(&b.1)).compute()?);

    let hashtag = Regex::new(r"#(\w+)")?;
    let tags = timed.flat_map(move |(_, text, _)| {
        let tags = hashtag.captures_iter(&text).map(|found| found[1].to_owned());
        tags.collect::<Vec<_>>()
    });
    let (count, frequent, authors) =
        compute_all((tags.count(), tags.frequencies(), timed.map(|(.., author)| author).distinct().count()))?;
    println!("{count} hashtags by {authors} authors: {frequent:?}");

    let day = NaiveDate::from_ymd_opt(2022, 3, 5).ok_or("no such day")?;
    let on_day = timed.filter(move |(time, ..)| time.starts_with(&day.to_string()));
    println!("first on {day}: {:?}", on_day.take(1).compute()?);

    // What has no type of its own is a value of JSON.
    let ids = session.try_read_json::<Value>(&*file).flat_map(|record| record.ok()).pluck("id");
    println!("the first ids: {:?}", ids.take(3).compute()?);
    if *count == 2 * messages as u64 { Ok(()) } else { Err("hashtags are missing".into()) }
}
