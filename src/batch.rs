//! Materialised results: [`Table`], what a query gives.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchIterator, RecordBatchReader, new_empty_array};
use arrow::compute::concat;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::error::{Error, ErrorKind, Result};
use crate::expr::type_name;

mod codec;
mod conform;
mod decimals;
mod display;
mod function;
mod held;
mod narrow;
mod nulls;
mod short_texts;
mod words;

pub(crate) use codec::{decode, encode};
pub(crate) use conform::{conform, conform_schema};
pub(crate) use decimals::Places;
pub(crate) use function::{BatchFunction, FoldFunctions, Folded};
pub(crate) use held::{
    held, held_at, held_batch, held_bytes, held_places, held_texts, is_narrow, packed_text, packed_texts_of, shown,
    shown_bytes, shown_column, texts_at, values_of, view_of, without_dictionaries,
};
pub(crate) use narrow::Narrow;
pub(crate) use nulls::nulls_at;
pub(crate) use short_texts::{INLINE, VIEW_BYTES, short_texts};
pub(crate) use words::{words_column, words_of, words_type, words_width};

/// The result of a query: rows in order, held in memory as Arrow record batches. Cheap to clone.
///
/// Printed, it is a table with the types under the names, numbers at the right edge and missing values as `null`;
/// of more than ten rows, the first and last five. [`display`](Table::display) shows another number of rows.
///
/// Two tables are equal when their columns have the same names and types, and their rows the same values in the
/// same order, however they are cut into batches. Floats compare bit by bit: NaN equals itself, `0.0` is not `-0.0`.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
/// use partita::Table;
///
/// let product: ArrayRef = Arc::new(Int64Array::from(vec![10121, 10129]));
/// let quantity: ArrayRef = Arc::new(Float64Array::from(vec![Some(2.5), None]));
/// let batch = RecordBatch::try_from_iter_with_nullable([("k", product, true), ("q", quantity, true)])?;
/// let table = Table::new(batch.schema(), vec![batch])?;
/// assert_eq!((table.num_rows(), table.num_columns()), (2, 2));
/// assert_eq!(table.to_string(), "\
/// ┌───────┬─────────┐
/// │     k ┆       q │
/// │ int64 ┆ float64 │
/// ╞═══════╪═════════╡
/// │ 10121 ┆     2.5 │
/// │ 10129 ┆    null │
/// └───────┴─────────┘
/// 2 rows × 2 columns");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Table {
    schema: SchemaRef,
    /// The rows as they are [`held`].
    batches: Arc<[RecordBatch]>,
    num_rows: usize,
}

impl Table {
    /// A table of these batches, one after the other. No batches at all is a table of no rows.
    ///
    /// # Errors
    /// [`ErrorKind::Type`] when a batch's columns differ from the schema's in number, name or type.
    pub fn new(schema: SchemaRef, batches: impl Into<Vec<RecordBatch>>) -> Result<Table> {
        let batches = batches.into();
        for (i, batch) in batches.iter().enumerate() {
            if !same_columns(&schema, batch.schema_ref()) {
                return Err(Error::new(
                    ErrorKind::Type,
                    format!(
                        "batch {i} of a table has the columns {}, where the table's are {}",
                        list_columns(batch.schema_ref()),
                        list_columns(&schema)
                    ),
                ));
            }
        }
        Ok(Table::of_held(schema, batches))
    }

    /// A table of batches of this schema, each as it is or [`held_batch`].
    pub(crate) fn of_held(schema: SchemaRef, batches: Vec<RecordBatch>) -> Table {
        let num_rows = batches.iter().map(RecordBatch::num_rows).sum();
        Table { schema, batches: batches.into(), num_rows }
    }

    /// The names and types of the columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows, as batches of any number of rows (none among them).
    ///
    /// A result of a query lies in memory as narrow as its values allow: integers in 8, 16 or 32 bits, texts of a few bytes without
    /// a view, what a merge took of a right side of few rows as the numbers of those rows. Columns that do are made anew by each call
    /// for each batch, in their own types, and go with it.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use arrow::array::AsArray;
    /// use arrow::datatypes::Int64Type;
    /// use partita::prelude::*;
    /// let importers = read_csv("testdata/baci/BACI_HS12_Y2018.csv").select([col("j")]).compute()?;
    /// for batch in importers.batches() {
    ///     assert!(batch.column(0).as_primitive::<Int64Type>().values().iter().all(|j| *j < 1000));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn batches(&self) -> impl ExactSizeIterator<Item = RecordBatch> + DoubleEndedIterator + '_ {
        self.batches.iter().map(|batch| wide(batch.clone(), &self.schema))
    }

    /// The batches, to keep.
    pub fn into_batches(self) -> Vec<RecordBatch> {
        self.batches().collect()
    }

    /// The rows as they are held, which [`shown`] gives the table's types.
    pub(crate) fn held(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// The rows as an arrow [`RecordBatchReader`], which other libraries take as it is: writers of files, databases, and
    /// through the C stream interface programs in other languages.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use arrow::ffi_stream::{ArrowArrayStreamReader, FFI_ArrowArrayStream};
    /// use partita::prelude::*;
    /// let top = read_csv("testdata/baci/BACI_HS12_Y2018.csv").sort([col("v").desc()]).head(10).compute()?;
    ///
    /// // What a C program, or Python's `pyarrow.RecordBatchReader._import_from_c`, takes a pointer to …
    /// let stream = FFI_ArrowArrayStream::new(Box::new(top.clone().into_reader()));
    /// // … and what is done with one that comes from there.
    /// let again = Table::from_reader(ArrowArrayStreamReader::try_new(stream)?)?;
    /// assert_eq!(again, top);
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_reader(self) -> impl RecordBatchReader + Send + 'static {
        let Table { schema, batches, .. } = self;
        let shown = (0..batches.len()).map({
            let schema = schema.clone();
            move |nth| shown(batches[nth].clone(), &schema).map_err(|e| ArrowError::ExternalError(Box::new(e)))
        });
        RecordBatchIterator::new(shown, schema)
    }

    /// A table of all batches that a reader gives.
    ///
    /// The columns may be of any arrow type: a [`Frame`](crate::Frame) made from the table brings them into its own.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let frame = read_csv("testdata/baci/BACI_HS12_Y2018.csv").filter(col("v").gt(100));
    /// assert_eq!(Table::from_reader(frame.stream()?)?, frame.compute()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What goes wrong in the reader, and batches whose columns are not those that it announced.
    pub fn from_reader(reader: impl RecordBatchReader) -> Result<Table> {
        let schema = reader.schema();
        let failed = |e: ArrowError| match e {
            ArrowError::ExternalError(_) => e.into(),
            other => Error::new(ErrorKind::Io, "a reader of batches failed").caused_by(other),
        };
        Table::new(schema, reader.collect::<Result<Vec<_>, _>>().map_err(failed)?)
    }

    /// The number of rows.
    pub fn num_rows(&self) -> usize {
        self.num_rows
    }

    /// The number of columns.
    pub fn num_columns(&self) -> usize {
        self.schema.fields().len()
    }

    /// One column as one array: a copy of the values where the table has several batches, or holds them narrow.
    ///
    /// # Errors
    /// [`ErrorKind::Column`] when there is no such column.
    ///
    /// ```
    /// use arrow::array::AsArray;
    /// use arrow::datatypes::Int64Type;
    /// # use std::sync::Arc;
    /// # use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    /// # use partita::Table;
    /// # let product: ArrayRef = Arc::new(Int64Array::from(vec![10121, 10129]));
    /// # let batch = RecordBatch::try_from_iter([("k", product)])?;
    /// # let table = Table::new(batch.schema(), vec![batch])?;
    /// let product = table.column("k")?;
    /// assert_eq!(product.as_primitive::<Int64Type>().values(), &[10121, 10129]);
    /// assert!(table.column("kk").unwrap_err().to_string().contains("did you mean 'k'?"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn column(&self, name: &str) -> Result<ArrayRef> {
        match self.schema.fields().iter().position(|field| field.name() == name) {
            Some(index) => self.column_at(index),
            None => Err(Error::unknown_column(name, self.schema.fields().iter().map(|field| field.name().as_str()))),
        }
    }

    fn column_at(&self, index: usize) -> Result<ArrayRef> {
        let schema = Arc::new(self.schema.project(&[index])?);
        let column = |batch: &RecordBatch| Ok(shown(batch.project(&[index])?, &schema)?.column(0).clone());
        let arrays = self.batches.iter().map(column).collect::<Result<Vec<_>>>()?;
        match arrays.as_slice() {
            [] => Ok(new_empty_array(self.schema.field(index).data_type())),
            [only] => Ok(only.clone()),
            _ => Ok(concat(&arrays.iter().map(|array| array.as_ref()).collect::<Vec<_>>())?),
        }
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Table) -> bool {
        self.num_rows == other.num_rows
            && same_columns(&self.schema, &other.schema)
            && (0..self.num_columns()).all(|i| match (self.column_at(i), other.column_at(i)) {
                (Ok(ours), Ok(theirs)) => *ours == *theirs,
                _ => false,
            })
    }
}

/// A batch of a table in the table's own types.
fn wide(batch: RecordBatch, schema: &SchemaRef) -> RecordBatch {
    // proven: every batch of a table is of its schema, or was made narrower from one that is
    shown(batch, schema).expect("what was made narrow is as wide as before")
}

/// Whether the columns agree in number, names and types; whether nulls are allowed does not matter.
fn same_columns(a: &Schema, b: &Schema) -> bool {
    a.fields().len() == b.fields().len()
        && a.fields().iter().zip(b.fields()).all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type())
}

fn list_columns(schema: &Schema) -> String {
    let columns: Vec<String> =
        schema.fields().iter().map(|f| format!("'{}' {}", f.name(), type_name(f.data_type()))).collect();
    format!("({})", columns.join(", "))
}

/// The bytes that a copy of these rows takes, without dictionaries, which are shared.
pub(crate) fn batch_bytes(batch: &RecordBatch) -> usize {
    let own = |column: &ArrayRef| match column.as_any_dictionary_opt() {
        Some(column) => column.keys().to_data(),
        None => column.to_data(),
    };
    batch.columns().iter().map(|c| own(c).get_slice_memory_size().unwrap_or(0) + text_bytes(c)).sum()
}

fn text_bytes(column: &ArrayRef) -> usize {
    // Without buffers, all texts are short: they need not be looked at.
    let with_buffers = column.as_string_view_opt().filter(|text| !text.data_buffers().is_empty());
    with_buffers.map_or(0, |text| text.total_buffer_bytes_used())
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BooleanArray, Date32Array, Float64Array, Int64Array, StringViewArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::{DataType, Field};
    use insta::assert_snapshot;

    use super::*;

    fn table(columns: Vec<(&str, ArrayRef)>) -> Table {
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
        Table::new(batch.schema(), vec![batch]).unwrap()
    }

    /// The same rows in batches of `size`.
    fn recut(table: &Table, size: usize) -> Table {
        let whole = table.batches().next().unwrap();
        let cut = (0..whole.num_rows()).step_by(size).map(|i| whole.slice(i, size.min(whole.num_rows() - i)));
        Table::new(table.schema().clone(), cut.collect::<Vec<_>>()).unwrap()
    }

    fn numbers(n: i64) -> Table {
        table(vec![
            ("n", Arc::new(Int64Array::from_iter_values(0..n))),
            ("half", Arc::new(Float64Array::from_iter_values((0..n).map(|i| i as f64 / 2.0)))),
        ])
    }

    #[test]
    fn every_type_has_its_form_and_side() {
        let table = table(vec![
            ("int", Arc::new(Int64Array::from(vec![Some(1), None, Some(i64::MIN)]))),
            ("float", Arc::new(Float64Array::from(vec![0.1 + 0.2, f64::NAN, f64::NEG_INFINITY]))),
            ("flag", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
            ("day", Arc::new(Date32Array::from(vec![Some(18_292), None, Some(-1)]))),
            ("time", Arc::new(TimestampMicrosecondArray::from(vec![Some(0), Some(1_500_000), None]))),
            ("text", Arc::new(StringViewArray::from(vec![Some("Côte d'Ivoire"), None, Some("")]))),
        ]);
        assert_snapshot!(table.to_string(), @"
        ┌──────────────────────┬─────────────────────┬───────┬────────────┬─────────────────────────┬───────────────┐
        │                  int ┆               float ┆ flag  ┆ day        ┆ time                    ┆ text          │
        │                int64 ┆             float64 ┆ bool  ┆ date       ┆ timestamp               ┆ text          │
        ╞══════════════════════╪═════════════════════╪═══════╪════════════╪═════════════════════════╪═══════════════╡
        │                    1 ┆ 0.30000000000000004 ┆ true  ┆ 2020-01-31 ┆ 1970-01-01T00:00:00     ┆ Côte d'Ivoire │
        │                 null ┆                 NaN ┆ false ┆ null       ┆ 1970-01-01T00:00:01.500 ┆ null          │
        │ -9223372036854775808 ┆                -inf ┆ null  ┆ 1969-12-31 ┆ null                    ┆               │
        └──────────────────────┴─────────────────────┴───────┴────────────┴─────────────────────────┴───────────────┘
        3 rows × 6 columns
        ");
    }

    #[test]
    fn long_tables_show_both_ends_wherever_the_batches_are_cut() {
        let table = numbers(5200);
        assert_snapshot!(table.to_string(), @"
        ┌───────┬─────────┐
        │     n ┆    half │
        │ int64 ┆ float64 │
        ╞═══════╪═════════╡
        │     0 ┆     0.0 │
        │     1 ┆     0.5 │
        │     2 ┆     1.0 │
        │     3 ┆     1.5 │
        │     4 ┆     2.0 │
        │     … ┆       … │
        │  5195 ┆  2597.5 │
        │  5196 ┆  2598.0 │
        │  5197 ┆  2598.5 │
        │  5198 ┆  2599.0 │
        │  5199 ┆  2599.5 │
        └───────┴─────────┘
        5,200 rows × 2 columns
        ");
        for size in [1, 3, 7, 5199] {
            assert_eq!(recut(&table, size).to_string(), table.to_string());
        }
        assert_snapshot!(table.display(1), @"
        ┌───────┬─────────┐
        │     n ┆    half │
        │ int64 ┆ float64 │
        ╞═══════╪═════════╡
        │     0 ┆     0.0 │
        │     … ┆       … │
        └───────┴─────────┘
        5,200 rows × 2 columns
        ");
        assert_eq!(numbers(10).to_string().matches('…').count(), 0);
        assert_eq!(numbers(11).to_string().matches('…').count(), 2);
    }

    #[test]
    fn empty_tables_show_their_header() {
        assert_snapshot!(Table::new(numbers(0).schema().clone(), vec![]).unwrap().to_string(), @"
        ┌───────┬─────────┐
        │     n ┆    half │
        │ int64 ┆ float64 │
        ╞═══════╪═════════╡
        └───────┴─────────┘
        0 rows × 2 columns
        ");
        assert_eq!(numbers(0), Table::new(numbers(0).schema().clone(), vec![]).unwrap());
        assert_eq!(Table::new(Arc::new(Schema::empty()), vec![]).unwrap().to_string(), "0 rows × 0 columns");
    }

    #[test]
    fn text_cannot_break_the_table() {
        let cells = [
            "two\nlines\r\n\ttabbed",
            "\u{1b}[31mred\0",
            "\u{202e}turned\u{2028}",
            &"x".repeat(40),
            &"x".repeat(41),
            &"é\n".repeat(4000),
            " spaces kept ",
        ];
        let table = table(vec![("a\nname", Arc::new(StringViewArray::from(cells.to_vec())))]);
        assert_snapshot!(table.to_string(), @r#"
        ┌──────────────────────────────────────────┐
        │ a\nname                                  │
        │ text                                     │
        ╞══════════════════════════════════════════╡
        │ two\nlines\r\n\ttabbed                   │
        │ \u{1b}[31mred\u{0}                       │
        │ \u{202e}turned\u{2028}                   │
        │ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx │
        │ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… │
        │ é\né\né\né\né\né\né\né\né\né\né\né\né\n… │
        │  spaces kept                             │
        └──────────────────────────────────────────┘
        7 rows × 1 column
        "#);
        assert_eq!(table.to_string().lines().count(), 5 + cells.len() + 1);
    }

    #[test]
    fn equal_means_the_same_rows() {
        let all = numbers(10);
        assert_eq!(recut(&all, 3), recut(&all, 4));
        assert_ne!(all, numbers(9));
        let floats = |x: f64| table(vec![("x", Arc::new(Float64Array::from(vec![x])))]);
        assert_eq!(floats(f64::NAN), floats(f64::NAN));
        assert_ne!(floats(0.0), floats(-0.0));
        let ints = |name, x: Option<i64>| table(vec![(name, Arc::new(Int64Array::from(vec![x])))]);
        assert_ne!(ints("x", None), ints("x", Some(0)));
        assert_ne!(ints("x", Some(0)), ints("y", Some(0)));
        let views =
            |text: &str| table(vec![("x", Arc::new(StringViewArray::from(vec![text, "a", "longer than twelve"])))]);
        assert_eq!(recut(&views("b"), 1), views("b"));
        assert_ne!(recut(&views("b"), 1), views("c"));
    }

    #[test]
    fn batches_must_fit_the_schema() {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        let error = Table::new(schema, numbers(1).into_batches()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Type);
        assert_snapshot!(error.to_string(), @"batch 0 of a table has the columns ('n' int64, 'half' float64), where the table's are ('n' int64)");
    }

    #[test]
    fn a_column_is_one_array() {
        let table = recut(&numbers(10), 3);
        assert_eq!(table.batches().len(), 4);
        assert_eq!(*table.column("n").unwrap(), Int64Array::from_iter_values(0..10) as Int64Array);
        assert_eq!(table.column("m").unwrap_err().kind(), ErrorKind::Column);
        assert_eq!(numbers(0).column("n").unwrap().len(), 0);
    }
}
