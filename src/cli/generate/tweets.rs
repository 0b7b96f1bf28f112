//! Short messages in the shape of tweets, a JSON object a line: for bags.
//!
//! Authors have very different numbers of messages: number n about as many as n to the power of -1/2. Most messages
//! have a hashtag or two. Times run from the first of March 2022 on, one message every seven seconds.

use super::random::Random;

/// As many as write.
const AUTHORS: u64 = 50_000;
/// 2022-03-01 in days since 1970.
const FIRST_DAY: u64 = 19_052;
const SECONDS_APART: u64 = 7;

const WORDS: [&str; 24] = [
    "the",
    "sea",
    "is",
    "calm",
    "tonight",
    "tide",
    "full",
    "moon",
    "lies",
    "fair",
    "upon",
    "straits",
    "light",
    "gleams",
    "and",
    "gone",
    "cliffs",
    "stand",
    "glimmering",
    "vast",
    "“bay”",
    "sweet",
    "naïve",
    "air\\n",
];
const TAGS: [&str; 12] =
    ["rust", "data", "trade", "csv", "music", "art", "news", "sport", "été", "science", "books", "travel"];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const LANGUAGES: [&str; 4] = ["en", "en", "de", "fr"];

/// Writes any message.
pub(super) struct Tweets {
    random: Random,
}

impl Tweets {
    pub(super) fn new(seed: u64) -> Tweets {
        Tweets { random: Random::new(seed).fork(5) }
    }

    pub(super) fn write(&self, row: u64, out: &mut Vec<u8>) {
        let draws = self.random.fork(row + 1);
        // The square of what is evenly drawn is so distributed.
        let draw = draws.below(0, 1 << 20);
        let author = (draw * draw * AUTHORS) >> 40;
        let at = row * SECONDS_APART;
        let (day, time) = (FIRST_DAY + at / 86_400, at % 86_400);
        let (year, month, date) = civil(day);
        let weekday = DAYS[((day + 3) % 7) as usize];
        let (hours, minutes, seconds) = (time / 3600, time / 60 % 60, time % 60);
        let mut text = String::new();
        for n in 0..6 + draws.below(1, 14) {
            let word = draws.below(100 + n, 20 * WORDS.len() as u64) as usize;
            text.push_str(if n > 0 { " " } else { "" });
            // One word in ten is a hashtag, the first ones more often.
            if word < 2 * WORDS.len() {
                let tag = draws.below(200 + n, (TAGS.len() * TAGS.len()) as u64).isqrt() as usize;
                text.push('#');
                text.push_str(TAGS[TAGS.len() - 1 - tag]);
            } else {
                text.push_str(WORDS[word % WORDS.len()]);
            }
        }
        let followers = draws.below(2, 100_000);
        let language = LANGUAGES[draws.below(3, LANGUAGES.len() as u64) as usize];
        let message = format!(
            "{{\"id\":{id},\"created_at\":\"{weekday} {month} {date:02} {hours:02}:{minutes:02}:{seconds:02} +0000 {year}\",\
             \"user\":{{\"screen_name\":\"user{author}\",\"followers_count\":{followers}}},\"text\":\"{text}\",\"lang\":\"{language}\"}}\n",
            id = 1_500_000_000_000 + row,
            month = MONTHS[month as usize - 1],
        );
        out.extend_from_slice(message.as_bytes());
    }
}

/// Year, month and day of a day since 1970: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn civil(day: u64) -> (u64, u64, u64) {
    let day = day + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (400 * era + year + u64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::Value;

    use super::*;

    #[test]
    fn each_line_is_an_object_with_its_time() {
        let tweets = Tweets::new(1);
        let mut out = vec![];
        let rows: Vec<u64> = (0..2000).chain([10_000_000, 123_456_789]).collect();
        rows.iter().for_each(|&row| tweets.write(row, &mut out));
        let text = String::from_utf8(out).unwrap();
        let messages: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(messages.len(), rows.len());
        let mut tags: HashMap<&str, usize> = HashMap::new();
        for (row, message) in rows.iter().zip(&messages) {
            let time = message["created_at"].as_str().unwrap();
            let time = chrono::DateTime::parse_from_str(time, "%a %b %d %H:%M:%S %z %Y").unwrap();
            assert_eq!(time.timestamp() as u64, FIRST_DAY * 86_400 + SECONDS_APART * row);
            let text = message["text"].as_str().unwrap();
            text.split(' ')
                .filter_map(|word| word.strip_prefix('#'))
                .for_each(|tag| *tags.entry(tag).or_default() += 1);
            assert!(message["user"]["screen_name"].as_str().unwrap().starts_with("user"));
        }
        assert_eq!(tags.len(), TAGS.len());
        let total: usize = tags.values().sum();
        assert!((1500..5000).contains(&total), "{total}");
    }
}
