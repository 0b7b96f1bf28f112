//! Bags beside naive twins: plain iterators over all items, with one partition, many, and many under little memory.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use partita::prelude::*;
use partita::{Event, Observer, Paths, TextOptions, read_text_with_path};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Counts what runs spill.
#[derive(Default)]
struct Spilled(AtomicU64);

impl Observer for Spilled {
    fn on(&self, event: &Event) {
        if let Event::Spilled { bytes, .. } = event {
            self.0.fetch_add(*bytes, SeqCst);
        }
    }
}

/// A session of the least memory, and what it spills.
fn small() -> (Session, Arc<Spilled>) {
    let spilled = Arc::new(Spilled::default());
    let session = Session::builder().threads(2).memory(16 << 20).observer(spilled.clone()).build().unwrap();
    (session, spilled)
}

/// The items, beside the memory limit.
fn all<T: Clone + Send + Sync + 'static>(bag: &Bag<T>) -> Vec<T> {
    let items = bag.fold(vec![], Vec::push, |all, mut more| all.append(&mut more)).compute().unwrap();
    Arc::unwrap_or_clone(items)
}

/// Words with many repetitions and some that are rare.
fn words(n: usize) -> Vec<String> {
    (0..n).map(|at| format!("word{}", (at * at + 7 * at) % (at / 3 * 2 + 5))).collect()
}

/// Each different item and its number, in the order of the first.
fn counted<T: Clone + Eq + std::hash::Hash>(items: &[T]) -> Vec<(T, u64)> {
    let mut places = HashMap::new();
    let mut counts: Vec<(T, u64)> = vec![];
    for item in items {
        let at = *places.entry(item.clone()).or_insert_with(|| {
            counts.push((item.clone(), 0));
            counts.len() - 1
        });
        counts[at].1 += 1;
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn whatever_the_partitions(items in prop::collection::vec(-20..20i64, 0..60), parts in 1..9usize, k in 0..9usize, cut in 1..9usize) {
        let bag = Bag::from_vec(items.clone(), parts);
        prop_assert_eq!(bag.compute().unwrap(), items.clone());
        let changed = bag.map(|n| 3 * n).filter(|n| n % 2 == 0).flat_map(|n| vec![n; (n % 3).unsigned_abs() as usize + 1]);
        let twin: Vec<i64> =
            items.iter().map(|n| 3 * n).filter(|n| n % 2 == 0).flat_map(|n| vec![n; (n % 3).unsigned_abs() as usize + 1]).collect();
        prop_assert_eq!(changed.compute().unwrap(), twin.clone());
        prop_assert_eq!(changed.repartition(cut).compute().unwrap(), twin.clone());
        prop_assert_eq!(changed.enumerate().compute().unwrap(), (0..).zip(twin.clone()).collect::<Vec<_>>());
        prop_assert_eq!(changed.take(k).compute().unwrap(), &twin[..k.min(twin.len())]);
        prop_assert_eq!(changed.concat([bag.clone()]).compute().unwrap(), [twin.clone(), items.clone()].concat());
        prop_assert_eq!(bag.zip(&bag.map(|n| n + 1)).compute().unwrap(), items.iter().map(|n| (*n, n + 1)).collect::<Vec<_>>());
        prop_assert_eq!(bag.persist().unwrap().compute().unwrap(), items.clone());
        prop_assert_eq!(Bag::from_delayed(bag.to_delayed()).compute().unwrap(), items.clone());

        let (count, sum, min, max) = compute_all((bag.count(), bag.sum(), bag.min(), bag.max())).unwrap();
        prop_assert_eq!((*count, *sum), (items.len() as u64, items.iter().sum::<i64>()));
        prop_assert_eq!((*min, *max), (items.iter().min().copied(), items.iter().max().copied()));
        let n = items.len() as f64;
        let mean = (!items.is_empty()).then(|| items.iter().sum::<i64>() as f64 / n);
        let squares = mean.map(|mean| items.iter().map(|x| (*x as f64 - mean).powi(2)).sum::<f64>());
        let var = squares.filter(|_| n > 1.0).map(|squares| squares / (n - 1.0));
        let near = |a: Option<f64>, b: Option<f64>| a.is_some() == b.is_some() && (a.unwrap_or(0.0) - b.unwrap_or(0.0)).abs() < 1e-9;
        prop_assert!(near(*bag.mean().compute().unwrap(), mean));
        prop_assert!(near(*bag.var(1).compute().unwrap(), var));

        let text = bag.fold(String::new(), |text, n| *text += &n.to_string(), |text, more| *text += &more);
        prop_assert_eq!(&*text.compute().unwrap(), &items.iter().map(i64::to_string).collect::<String>());
        let last = items.iter().copied().reduce(|_, b| b);
        prop_assert_eq!(*bag.reduce(|_, b| b).compute().unwrap(), last);
        // Pairs that compare equal keep their order.
        let pairs: Vec<(i64, usize)> = items.iter().map(|n| n % 5).zip(0..).collect();
        let mut largest = pairs.clone();
        largest.sort_by_key(|pair| std::cmp::Reverse(pair.0));
        largest.truncate(k);
        prop_assert_eq!(Bag::from_vec(pairs, parts).topk_by(k, |a, b| a.0.cmp(&b.0)).compute().unwrap(), largest);

        prop_assert_eq!(bag.frequencies().compute().unwrap(), counted(&items));
        prop_assert_eq!(bag.distinct().compute().unwrap(), counted(&items).into_iter().map(|(n, _)| n).collect::<Vec<_>>());
        let keys = counted(&items.iter().map(|n| n.rem_euclid(7)).collect::<Vec<_>>());
        let of = |key: i64| items.iter().copied().filter(move |n| n.rem_euclid(7) == key);
        let groups: Vec<(i64, Vec<i64>)> = keys.iter().map(|(key, _)| (*key, of(*key).collect())).collect();
        prop_assert_eq!(bag.group_by(|n| n.rem_euclid(7)).compute().unwrap(), groups);
        let sums: Vec<(i64, i64)> = keys.iter().map(|(key, _)| (*key, of(*key).sum())).collect();
        prop_assert_eq!(bag.fold_by(|n| n.rem_euclid(7), 0, |sum, n| *sum += n, |sum, more| *sum += more).compute().unwrap(), sums);
    }

    #[test]
    fn lines_are_those_of_the_text(text in "([a-zé,]{0,9}(\n|\r\n)?){0,40}", size in 1..90usize) {
        let options = TextOptions::new().partition_size(size);
        let bag = Session::default().read_text_with(Paths::bytes("text", text.clone()), options);
        let twin: Vec<&str> = text.lines().collect();
        prop_assert_eq!(bag.compute().unwrap(), twin);
    }
}

#[test]
fn what_is_beyond_memory_is_spilled_and_comes_back() {
    let words = words(400_000);
    let twin = counted(&words);
    assert!(twin.len() > 100_000, "{}", twin.len());
    for parts in [1, 40] {
        let (session, spilled) = small();
        let bag = session.bag(words.clone(), parts).map(|word| word + &"-".repeat(60));
        let cut = |word: &str| word.trim_end_matches('-').to_owned();
        let told = |step: &str| assert!(spilled.0.swap(0, SeqCst) > 0, "{step} of {parts} partitions spilled nothing");

        let frequencies = all(&bag.frequencies().map(move |(word, count)| (cut(&word), count)));
        assert!(frequencies == twin, "{parts} partitions");
        told("frequencies");
        assert_eq!(*bag.distinct().count().compute().unwrap(), twin.len() as u64);
        told("distinct");
        // Some keys have thousands of items, most a few.
        let groups = bag.enumerate().group_by(|(_, word)| word.clone());
        let lengths = groups.map(move |(word, items)| (cut(&word), items.len() as u64, items[0].0));
        let lengths = all(&lengths);
        told("group_by");
        assert!(lengths.iter().zip(&twin).all(|(own, twin)| (&own.0, own.1) == (&twin.0, twin.1)));
        assert_eq!(lengths.len(), twin.len());
        assert!(lengths.windows(2).all(|pair| pair[0].2 < pair[1].2), "in the order of the first items");
        let kept = bag.persist().unwrap();
        told("persist");
        assert_eq!(kept.npartitions(), parts);
        for _ in 0..2 {
            let mut twins = words.iter();
            let same = kept.fold(0u64, |count, _| *count += 1, |count, more| *count += more);
            assert_eq!(*same.compute().unwrap(), words.len() as u64);
            assert!(kept.take(1000).compute().unwrap().iter().all(|word| cut(word) == *twins.next().unwrap()));
        }
    }
}

#[test]
fn a_value_beyond_memory_is_refused_and_named() {
    let (session, _) = small();
    let bag = session.bag((0..2_000_000u64).collect(), 8).group_by(|_| 1u8).map(|(_, items)| items.len());
    let error = bag.compute().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Memory, "{error}");
    assert!(error.message().contains("the value of one key"), "{error}");
    // Folded to something small, the same items go through.
    let bag =
        session.bag((0..2_000_000u64).collect(), 8).fold_by(|_| 1u8, 0, |sum, n| *sum += n, |sum, more| *sum += more);
    assert_eq!(bag.compute().unwrap(), [(1, 1_999_999 * 1_000_000)]);
    // What compute gathers counts, too.
    let error = session.bag(vec![0u64], 1).flat_map(|_| 0..10_000_000u64).compute().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Memory, "{error}");
}

#[test]
fn take_reads_no_more_than_it_needs() {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let bag = Bag::from_vec((0..1000).collect::<Vec<i32>>(), 10).map(move |n| {
        count.fetch_add(1, SeqCst);
        n
    });
    assert_eq!(bag.take(3).compute().unwrap(), [0, 1, 2]);
    assert_eq!(seen.swap(0, SeqCst), 3);
    assert_eq!(bag.take(150).count().compute().unwrap().to_string(), "150");
    assert_eq!(seen.swap(0, SeqCst), 150);
    assert!(bag.take(0).compute().unwrap().is_empty());
    assert_eq!(seen.load(SeqCst), 0);
    // What is bad behind them is not seen.
    let lines = Paths::bytes("lines", "1\n2\nthree\n");
    assert_eq!(read_json::<i32>(lines).take(2).compute().unwrap(), [1, 2]);
}

#[test]
fn the_first_error_stops_and_says_where() {
    let bag = Bag::from_vec(vec!["1", "x", "3"], 3).try_map(str::parse::<i32>).map(|n| n + 1);
    let error = bag.sum().compute().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Function);
    assert!(error.to_string().contains("in task 'from_vec, try_map, map, sum'"), "{error}");
    let through = |bag: &Bag<i32>| bag.map_partitions(|items| items.collect::<Vec<_>>()).compute().unwrap_err().kind();
    assert_eq!(through(&bag), ErrorKind::Function);
    let panics = Bag::from_vec(vec![1, 0], 2).map(|n| 10 / n).compute().unwrap_err();
    assert_eq!(panics.kind(), ErrorKind::Panic);
    assert!(panics.to_string().contains("divide by zero"), "{panics}");
    for parts in [1, 2] {
        let (longer, shorter) = (Bag::from_vec(vec![1, 2, 3], 2), Bag::from_vec(vec![1, 2], parts));
        let error = longer.zip(&shorter).compute().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("repartition(1)"), "{error}");
    }
    assert_eq!(Bag::from_vec(vec![1], 1).sample(1.5, 0).compute().unwrap_err().kind(), ErrorKind::Config);
    let missing = read_text("no/such/*.txt").map(|line| line.len()).compute().unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.to_string().contains("read_text(\"no/such/*.txt\")"), "{missing}");
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Tweet {
    id: u64,
    text: String,
}

fn tweets(n: u64) -> Vec<Tweet> {
    (0..n).map(|id| Tweet { id, text: format!("“{id}” {{[}}],\\ é") }).collect()
}

#[test]
fn json_comes_in_lines_arrays_and_glued() {
    let tweets = tweets(100);
    let json: Vec<String> = tweets.iter().map(|tweet| serde_json::to_string(tweet).unwrap()).collect();
    let shapes = [
        json.join("\n"),
        json.join("\r\n") + "\r\n\r\n",
        format!("[{}]", json.join(",\n")),
        format!("[\n  {}\n]\n", json.join("\n  ,")),
        json.concat(),
        json.chunks(7).map(<[String]>::concat).collect::<Vec<_>>().join("\n"),
        json.join(" "),
        format!("[{}]", json.join(", ")),
    ];
    for (shape, text) in shapes.iter().enumerate() {
        for size in [1 << 20, 100, 7] {
            let options = TextOptions::new().partition_size(size);
            let session = Session::default();
            let bytes = || Paths::bytes("tweets.json", text.clone());
            assert_eq!(
                session.read_json_with::<Tweet>(bytes(), options.clone()).compute().unwrap(),
                tweets,
                "{shape} {size}"
            );
            if shape < 7 {
                // An array on one line is one value of no type.
                let ids = session.read_json_with::<Value>(bytes(), options).pluck("id").compute().unwrap();
                assert!(ids.iter().zip(0..100u64).all(|(own, id)| *own == json!(id)), "{shape} {size}");
                assert_eq!(ids.len(), 100);
            }
        }
    }
    let lists = read_json::<(i32, i32)>(Paths::bytes("lists", "[1,2]\n[3,4][5,6]\n"));
    assert_eq!(lists.compute().unwrap(), [(1, 2), (3, 4), (5, 6)]);
}

#[test]
fn bad_records_have_file_line_and_byte() {
    let mut lines: Vec<String> = tweets(300).iter().map(|tweet| serde_json::to_string(tweet).unwrap()).collect();
    lines[100] = "{\"id\": 100, \"text\": \"cut".into();
    lines[200] = "{\"id\": -1, \"text\": \"\"}".into();
    let text = lines.join("\n");
    let byte_of = |line: usize| lines[..line].iter().map(|line| line.len() as u64 + 1).sum::<u64>();
    for size in [1 << 20, 64] {
        let session = Session::default();
        let options = TextOptions::new().partition_size(size);
        let records = session.try_read_json_with::<Tweet>(Paths::bytes("tweets.json", text.clone()), options.clone());
        assert_eq!(*records.filter(|record| record.is_ok()).count().compute().unwrap(), 298);
        let bad = records.flat_map(|record| record.err()).compute().unwrap();
        let place = |error: &Error| error.position().map(|p| (p.file.display().to_string(), p.line, p.byte)).unwrap();
        assert_eq!(place(&bad[0]), ("tweets.json".into(), Some(101), Some(byte_of(100) + lines[100].len() as u64 - 1)));
        assert_eq!((bad[0].kind(), bad[1].kind()), (ErrorKind::Malformed, ErrorKind::Value));
        assert_eq!(place(&bad[1]), ("tweets.json".into(), Some(201), Some(byte_of(200) + 8)), "{}", bad[1]);
        assert_eq!(bad.len(), 2);
        let error =
            session.read_json_with::<Tweet>(Paths::bytes("tweets.json", text.clone()), options).count().compute();
        let error = error.unwrap_err();
        assert!([Some(101), Some(201)].contains(&error.position().unwrap().line), "{error}");
    }
    let alone = read_json::<Tweet>(Paths::bytes("tweets.json", lines[200].clone())).compute().unwrap_err();
    assert_eq!(
        alone.to_string(),
        "a record of another type: invalid value: integer `-1`, expected u64\n  \
         at tweets.json:1:9, byte 8\n    {\"id\": -1, \"text\": \"\"}\n            ^\n  in task 'read_json'\n  \
         help: mend the record, which must be on one line, or have it among the items by try_read_json"
    );
}

#[test]
fn text_of_all_encodings_and_compressions() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let lines: Vec<String> = (0..2000).map(|n| format!("žluťoučký kůň {n}")).collect();
    let text = lines.join("\n");
    let (latin, _, lossy) = encoding_rs::WINDOWS_1250.encode(&text);
    assert!(!lossy);
    fs::write(path("1250"), &latin).unwrap();
    fs::write(path("utf8"), format!("\u{feff}{text}\n")).unwrap();
    let utf16: Vec<u8> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    fs::write(path("utf16"), utf16).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(fs::File::create(path("gzip")).unwrap(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap();
    fs::write(path("zstd"), zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
    let session = Session::default();
    for name in ["1250", "utf8", "utf16", "gzip", "zstd"] {
        let options = TextOptions::new().partition_size(1000);
        let options = if name == "1250" { options.encoding("windows-1250") } else { options };
        assert_eq!(session.read_text_with(path(name), options.clone()).compute().unwrap(), lines, "{name}");
        let whole = session.read_text_with(path(name), options.by_file());
        assert_eq!((whole.npartitions(), *whole.count().compute().unwrap()), (1, 2000), "{name}");
    }
    let error = session.read_text(path("1250")).compute().unwrap_err();
    assert_eq!((error.kind(), error.position().and_then(|p| p.byte)), (ErrorKind::Value, Some(0)), "{error}");
    // With the paths of their files, in the order of their names.
    let paths =
        read_text_with_path([path("gzip"), path("utf8")], TextOptions::new()).map(|(path, _)| path).frequencies();
    let named = paths.compute().unwrap();
    assert_eq!(named, [(path("gzip").into(), 2000), (path("utf8").into(), 2000)]);
    assert_eq!(read_text(Paths::bytes("nothing", "")).compute().unwrap(), Vec::<String>::new());
    // A line longer than what is read at a time.
    let long = "é".repeat(1 << 20);
    let options = TextOptions::new().partition_size(1 << 18);
    let bag = session.read_text_with(Paths::bytes("long", format!("a\n{long}\nb")), options);
    assert_eq!(bag.map(|line| line.len()).compute().unwrap(), [1, 2 << 20, 1]);
}

#[test]
fn bags_are_written_and_become_frames() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let bag = Bag::from_vec((0..10).collect::<Vec<i32>>(), 3);
    let written = bag.to_text(&out).unwrap();
    let names: Vec<_> = written.files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["part-00000.txt", "part-00001.txt", "part-00002.txt"]);
    assert_eq!((written.rows, written.bytes), (10, 20));
    let text: Vec<String> = written.files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    assert_eq!(text.concat(), "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    assert_eq!(bag.to_text(&out).unwrap_err().kind(), ErrorKind::Exists);
    let fails = bag.map(|n| 10 / (7 - n)).to_text(directory.path().join("fails"));
    assert_eq!(fails.unwrap_err().kind(), ErrorKind::Panic);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "a run that fails leaves nothing");

    for parts in [1, 4] {
        let bag = Bag::from_vec(tweets(20_000), parts);
        let frame = bag.to_frame([("id", Type::Int64), ("text", Type::Text), ("place", Type::Text)]);
        assert_eq!(*frame.column("id").sum().compute().unwrap().to_string(), *(19_999 * 10_000).to_string());
        let few = frame.filter(col("id").ge(19_998)).compute().unwrap();
        assert_eq!(few.num_rows(), 2);
        assert_eq!(frame.filter(col("place").is_null()).num_rows().unwrap(), 20_000);
    }
    let wrong = Bag::from_vec(tweets(2), 1).to_frame([("text", Type::Int64)]).compute().unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Type, "{wrong}");
}

#[test]
fn one_run_for_bags_frames_and_delayed_values() {
    let calls = Arc::new(Mutex::new(0));
    let count = calls.clone();
    let list = delayed("list", move || {
        *count.lock().unwrap() += 1;
        vec![1i64, 2, 3]
    });
    let bag = Bag::from_delayed([list.clone()]);
    let (items, sum, list) = compute_all((&bag, bag.sum(), &list)).unwrap();
    assert_eq!((items, *sum, list.len()), (vec![1, 2, 3], 6, 3));
    assert_eq!(*calls.lock().unwrap(), 1, "the list is shared");
    let picture = picture_of(&bag.frequencies());
    assert!(picture.contains("frequencies"), "{picture}");
}

fn picture_of(lazy: &impl partita::Lazy) -> String {
    partita::picture(lazy).to_dot().unwrap()
}
