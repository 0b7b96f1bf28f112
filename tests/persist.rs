//! Persisted frames and streams give the rows that `compute` gives, within the memory limit or beyond it.

mod common;

use std::collections::BTreeMap;

use arrow::array::{RecordBatch, RecordBatchReader};
use common::{Files, Value, rows, sessions};
use partita::arrow;
use partita::prelude::*;

const GENERATED: &str = "testdata/baci/BACI_HS12_Y*.csv";

#[test]
fn what_is_kept_is_what_was_computed() {
    for (name, session) in sessions() {
        let priced = session.read_csv(GENERATED).filter(col("v").gt(50)).with_column("price", col("v") / col("q"));
        let kept = priced.persist().unwrap();
        assert_eq!(kept.npartitions().unwrap(), priced.npartitions().unwrap(), "{name}");
        assert_eq!(kept.compute().unwrap(), priced.compute().unwrap(), "{name}");
        let by_exporter = |df: &Frame| rows(&df.group_by(["i"]).agg([size(), col("k").max()]).compute().unwrap());
        assert_eq!(by_exporter(&kept), by_exporter(&priced), "{name}");
        assert_eq!(kept.select(["k"]).head(7).compute().unwrap(), priced.select(["k"]).head(7).compute().unwrap());
    }
}

#[test]
fn texts_that_repeat_are_grouped_as_texts() {
    let texts =
        ["zebra", "Ärger", "a text of more than twelve bytes", "", "b", "another text of more than twelve", "B"];
    let mut csv = "s,t,own,n\n".to_owned();
    let mut sums: BTreeMap<(bool, &str), (i64, i64)> = BTreeMap::new();
    for n in 0..6000_usize {
        let (s, t) = (texts[n * n % 11 % 7], (n % 5 > 0).then_some(texts[n % 3]));
        let quoted = |text: &str| format!("\"{text}\"");
        csv += &format!("{},{},own text of row {n},{n}\n", quoted(s), t.map_or(String::new(), quoted));
        let sum = sums.entry((t.is_none(), t.unwrap_or_default())).or_default();
        *sum = (sum.0 + 1, sum.1 + n as i64);
    }
    let files = Files::new(&[("a.csv", csv.as_bytes())]);
    for (name, session) in sessions() {
        let read = session.read_csv(files.path("a.csv"));
        let kept = read.persist().unwrap();
        // Worked out above: in the order of the texts, null last.
        let by_t = kept.group_by(["t"]).keep_nulls().agg([size(), col("n").sum()]).compute().unwrap();
        let texts = sums.keys().map(|(none, t)| if *none { Value::Null } else { Value::Text(t.to_string()) });
        let wanted = texts.zip(sums.values()).map(|(t, (rows, sum))| vec![t, Value::Int(*rows), Value::Int(*sum)]);
        assert_eq!(rows(&by_t), wanted.collect::<Vec<_>>(), "{name}");
        // As of the frame that is read, in their order, whatever stands between.
        let shapes: [fn(&Frame) -> Frame; 9] = [
            |df| df.group_by(["s", "t"]).agg([col("n").sum()]),
            |df| df.group_by(["n", "t", "s"]).keep_nulls().agg([size()]).head(50),
            |df| df.filter(col("n").gt(50)).group_by(["s", "own"]).agg([size()]).sort(["own"]),
            |df| df.filter(col("s").ne("b")).group_by(["s"]).agg([col("n").max()]),
            |df| df.select([col("s").alias("u"), col("t"), col("n") * 2]).group_by(["u", "t"]).agg([col("n").sum()]),
            |df| df.select([col("s"), col("s").alias("u"), col("n")]).group_by(["u", "s"]).agg([col("n").sum()]),
            |df| df.group_by(["s"]).agg([col("s").max().alias("last"), col("t").nunique()]),
            |df| df.group_by([col("s"), col("s").alias("u")]).agg([size()]),
            |df| df.group_by(["t", "s"]).agg([col("n").median()]).filter(col("t").gt("b")),
        ];
        for (nth, shape) in shapes.iter().enumerate() {
            assert_eq!(rows(&shape(&kept).compute().unwrap()), rows(&shape(&read).compute().unwrap()), "{nth} {name}");
        }
        let unordered = |df: &Frame| {
            let mut all = rows(&df.group_by(["t", "s"]).agg([size()]).unordered().compute().unwrap());
            all.sort_by_key(|row| format!("{row:?}"));
            all
        };
        assert_eq!(unordered(&kept), unordered(&read), "{name}");
    }
}

#[test]
fn texts_that_repeat_come_out_as_they_went_in() {
    // Texts of few bytes and of many, some null; numbers of 8, 16, 32 and 64 bits. Some rows of either side have no match.
    let texts = ["zebra", "Ärger", "a text of more than twelve bytes", "", "b", "eleven byte"];
    let mut left = "k,s,t,own,n\n".to_owned();
    for n in 0..4000_i64 {
        let t = if n % 5 > 0 { format!("\"{}\"", texts[n as usize % 6]) } else { String::new() };
        left += &format!("{},\"{}\",{t},id{n},{}\n", n * n % 97, texts[n as usize % 4], n << (n % 4 * 12));
    }
    let mut right = "k,s,u,m,d\n".to_owned();
    for n in 0..900_i64 {
        let u = if n % 7 > 0 { format!("\"{}\"", texts[n as usize % 5]) } else { String::new() };
        // And a long one, of which a result holds no places.
        let d = format!("{} {}", "long".repeat(30), n % 9);
        right += &format!("{},\"{}\",{u},{},{d}\n", n % 90, texts[n as usize % 6], n % 100);
    }
    let files = Files::new(&[("left.csv", left.as_bytes()), ("right.csv", right.as_bytes())]);
    for (name, session) in sessions() {
        let (left, right) = (session.read_csv(files.path("left.csv")), session.read_csv(files.path("right.csv")));
        let (kept_left, kept_right) = (left.persist().unwrap(), right.persist().unwrap());
        let shapes: [fn(&Frame, &Frame) -> Frame; 22] = [
            |l, _| l.clone(),
            |l, _| l.filter(col("n").gt(50)),
            |l, _| l.filter(col("s").ne("b")),
            |l, _| l.filter(col("n").lt(0)),
            |l, _| l.filter(col("n").gt(50)).select([col("t"), col("s").alias("t2"), col("s"), col("n") * 2]),
            |l, r| l.merge(r.clone(), Merge::inner().on(["k"])),
            |l, r| l.merge(r.clone(), Merge::left().on(["k"])),
            |l, r| l.merge(r.clone(), Merge::right().on(["k"])),
            |l, r| l.merge(r.clone(), Merge::outer().on(["k"])).select(["u", "t", "s_y", "n"]),
            |l, r| l.merge(r.clone(), Merge::semi().on(["k", "s"])),
            |l, r| l.merge(r.clone(), Merge::anti().left_on(["t"]).right_on(["u"])),
            |l, r| {
                let few = r.group_by(["k"]).agg([col("m").sum(), col("u").max()]);
                l.merge(few, Merge::inner().on(["k"])).group_by(["t", "u"]).agg([col("m").sum()])
            },
            |l, r| l.merge(r.clone(), Merge::inner().on(["k"])).group_by(["t", "s_y", "u"]).keep_nulls().agg([size()]),
            // Texts that are keys.
            |l, r| l.merge(r.clone(), Merge::inner().on(["s", "k"])),
            |l, r| l.filter(col("n").gt(50)).merge(r.clone(), Merge::left().on(["s", "k"])),
            |l, r| l.merge(r.head(40), Merge::inner().left_on(["t"]).right_on(["u"])),
            |l, r| l.merge(r.head(40), Merge::left().left_on(["t"]).right_on(["u"]).nulls_equal()).drop(["u"]),
            |l, r| l.merge(r.clone(), Merge::semi().left_on(["k", "t"]).right_on(["k", "u"]).nulls_equal()),
            |l, r| l.merge(r.clone(), Merge::anti().left_on(["k", "t", "s"]).right_on(["k", "u", "s"])),
            |l, r| l.merge(r.clone(), Merge::outer().on(["s", "k"])),
            |l, r| {
                let (few, once) =
                    (r.group_by(["u"]).agg([col("m").sum()]), r.drop_duplicates(["s"], Keep::First).select(["s", "m"]));
                let texts = l.merge(few.rename([("u", "t")]), Merge::inner().on(["t"]));
                texts.merge(once, Merge::inner().on(["s"])).group_by(["t", "s"]).agg([col("m_y").sum(), size()])
            },
            |l, r| {
                let once = r.drop_duplicates(["s"], Keep::First).select(["s", "m"]);
                l.merge(once, Merge::inner().on(["s"])).filter(col("s").gt("b")).with_column("c", col("s").is_null())
            },
        ];
        for (shape, query) in shapes.into_iter().enumerate() {
            let (read, kept) = (query(&left, &right), query(&kept_left, &kept_right));
            let (want, got) = (read.compute().unwrap(), kept.compute().unwrap());
            assert_eq!(got, want, "{name}, {shape}");
            // A result is a frame's rows again, and all ways to its columns give the same.
            let again = Frame::from(got.clone());
            assert_eq!(again.compute().unwrap(), want, "{name}, {shape}");
            let batches: Vec<RecordBatch> = got.batches().collect();
            assert!(batches.iter().all(|batch| batch.schema_ref() == got.schema() || batch.num_columns() == 0));
            assert_eq!(Table::from_reader(got.clone().into_reader()).unwrap(), want, "{name}, {shape}");
            assert_eq!(rows(&got), rows(&want), "{name}, {shape}");
            let rows_of = |table: &Table| table.clone().into_batches().iter().map(RecordBatch::num_rows).sum::<usize>();
            assert_eq!(rows_of(&got), want.num_rows(), "{name}, {shape}");
        }
    }
}

#[test]
fn the_files_are_not_read_again() {
    let files = Files::new(&[("a.csv", b"x,y\n1,one\n2,two\n")]);
    let kept = read_csv(files.path("a.csv")).persist().unwrap();
    drop(files);
    assert_eq!(kept.compute().unwrap().num_rows(), 2);
    let plan = kept.select(["y"]).explain(Stop::Optimised).unwrap();
    assert_eq!(plan, "select y\n  persisted in 1 partition: y\n");
}

#[test]
fn beyond_half_of_the_memory_rows_go_to_files() {
    let row = format!("7,{}\n", "a text that is no view in place ".repeat(4));
    let files = Files::new(&[("a.csv", format!("x,s\n{}", row.repeat(200_000)).as_bytes())]);
    let session = Session::builder().threads(2).memory(16 << 20).partition_size(1 << 20).build().unwrap();
    let all = session.read_csv(files.path("a.csv"));
    assert_eq!(all.compute().unwrap_err().kind(), ErrorKind::Memory);
    let kept = all.persist().unwrap();
    let totals = |df: &Frame| rows(&df.group_by(["s"]).agg([size(), col("x").sum()]).compute().unwrap());
    assert_eq!(totals(&kept), totals(&all));
    // What is derived from it can be kept too, and what went to files leaves the memory to others.
    let derived = kept.with_column("y", col("x") + 1).persist().unwrap();
    drop(kept);
    assert_eq!(rows(&derived.agg([col("y").sum()]).compute().unwrap())[0][0], common::Value::Int(1_600_000));
    let streamed: usize = all.stream().unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(streamed, 200_000);
}

#[test]
fn a_stream_has_the_rows_in_order() {
    for (name, session) in sessions() {
        for df in [session.read_csv(GENERATED).filter(col("q").is_not_null()), session.read_csv(GENERATED).sort(["v"])]
        {
            let stream = df.stream().unwrap();
            let schema = stream.schema();
            let batches: Vec<RecordBatch> = stream.collect::<Result<_, _>>().unwrap();
            assert_eq!(Table::new(schema, batches).unwrap(), df.compute().unwrap(), "{name}");
        }
    }
}

#[test]
fn what_goes_wrong_comes_out_of_the_stream() {
    let good = "1,2\n".repeat(30_000);
    let files = Files::new(&[("a.csv", format!("a,b\n{good}x,2\n{good}").as_bytes())]);
    let options = || CsvOptions::default().dtype("a", Type::Int64);
    let session = Session::builder().threads(2).partition_size(10_000).build().unwrap();
    let df = session.read_csv_with(files.path("a.csv"), options());
    let error = df.compute().unwrap_err();
    let results: Vec<_> = df.stream().unwrap().collect();
    let streamed = results.iter().find_map(|r| r.as_ref().err()).unwrap();
    assert!(streamed.to_string().contains(error.message()), "{streamed}");
    assert!(results.last().unwrap().is_err(), "nothing follows an error");
    let again = |df: &Frame| -> Result<()> { df.stream()?.try_for_each(|batch| Ok(batch.map(drop)?)) };
    assert_eq!(again(&df).unwrap_err().to_string(), error.to_string());
    assert_eq!(df.persist().unwrap_err().to_string(), error.to_string());
    assert_eq!(df.drop(["z"]).stream().err().unwrap().kind(), ErrorKind::Column);
}

#[test]
fn streams_and_persisted_frames_are_dropped_at_any_time() {
    for session in sessions().into_iter().map(|(_, session)| session) {
        let mut stream = session.read_csv(GENERATED).stream().unwrap();
        assert!(stream.next().unwrap().is_ok());
        drop(stream);
        drop(session.read_csv(GENERATED).submit_persist());
        let running = session.read_csv(GENERATED).submit_persist();
        running.cancel();
        if let Err(error) = running.wait() {
            assert_eq!(error.kind(), ErrorKind::Cancelled);
        }
        let kept = session.read_csv(GENERATED).submit_persist().wait().unwrap();
        let sum = kept.agg([size()]);
        drop(kept);
        assert_eq!(
            rows(&sum.compute().unwrap())[0][0],
            rows(&session.read_csv(GENERATED).agg([size()]).compute().unwrap())[0][0]
        );
    }
}
