//! Brings arrow's many types into ours: what programs, other files and closures hand in.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit};

use crate::error::{Error, ErrorKind, Result};
use crate::expr::{Type, type_name};

/// The type of ours that holds the values of an arrow type.
fn conforming(data_type: &DataType) -> Option<Type> {
    use DataType as D;
    Some(match data_type {
        D::Int8 | D::Int16 | D::Int32 | D::Int64 | D::UInt8 | D::UInt16 | D::UInt32 | D::UInt64 => Type::Int64,
        D::Float16 | D::Float32 | D::Float64 => Type::Float64,
        D::Decimal32(..) | D::Decimal64(..) | D::Decimal128(..) | D::Decimal256(..) => Type::Float64,
        D::Boolean => Type::Bool,
        D::Date32 => Type::Date,
        D::Timestamp(..) | D::Date64 => Type::Timestamp,
        // A column of nothing but nulls.
        D::Utf8 | D::LargeUtf8 | D::Utf8View | D::Null => Type::Text,
        D::Dictionary(_, values) => return conforming(values),
        D::RunEndEncoded(_, values) => return conforming(values.data_type()),
        _ => return None,
    })
}

/// The columns under the same names, of our types.
///
/// Integers become int64, floats and decimals float64, texts text, dictionaries what they hold; timestamps of any unit
/// become timestamps in microseconds, those with a time zone in UTC.
///
/// # Errors
/// [`ErrorKind::Type`] for what we have no type for (lists, structs, times, binary), [`ErrorKind::Column`] for two
/// columns of one name.
pub(crate) fn conform_schema(schema: &Schema) -> Result<SchemaRef> {
    let mut fields: Vec<Field> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        if fields.iter().any(|known| known.name() == field.name()) {
            return Err(Error::new(ErrorKind::Column, format!("two columns are named '{}'", field.name()))
                .help("give each a name of its own"));
        }
        let Some(dtype) = conforming(field.data_type()) else {
            let (name, data_type) = (field.name(), type_name(field.data_type()));
            return Err(Error::new(ErrorKind::Type, format!("column '{name}' is {data_type}, which has no type here"))
                .help("leave it out, or make it a number, a text, a date or a timestamp first"));
        };
        fields.push(Field::new(field.name(), dtype.arrow(), true));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// A batch as one of `schema`, which [`conform_schema`] gave for its columns.
///
/// # Errors
/// [`ErrorKind::Overflow`] for an unsigned integer, or a time, that is too large for 64 bits; [`ErrorKind::Type`] when
/// the columns are not those of the schema.
pub(crate) fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.schema_ref() == schema {
        return Ok(batch.clone());
    }
    let found = batch.schema();
    let same_names = found.fields().len() == schema.fields().len()
        && found.fields().iter().zip(schema.fields()).all(|(a, b)| a.name() == b.name());
    if !same_names {
        let list = |schema: &Schema| {
            let columns = schema.fields().iter().map(|f| format!("{} {}", f.name(), type_name(f.data_type())));
            columns.collect::<Vec<_>>().join(", ")
        };
        return Err(Error::new(
            ErrorKind::Type,
            format!("a batch has the columns ({}), where ({}) were announced", list(&found), list(schema)),
        ));
    }
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| array(column, field));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns.collect::<Result<_>>()?, &options)?)
}

fn array(column: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    let (from, to) = (column.data_type(), field.data_type());
    if from == to {
        return Ok(column.clone());
    }
    let wrong = || {
        Error::new(
            ErrorKind::Type,
            format!("column '{}' is {}, where {} was announced", field.name(), type_name(from), type_name(to)),
        )
    };
    match conforming(from) {
        Some(dtype) if dtype.arrow() == *to => {}
        _ if *from == DataType::Null => {}
        _ => return Err(wrong()),
    }
    // Arrow casts between units of time without a look at the range: nanoseconds shrink, all others may not fit.
    if let DataType::Timestamp(unit @ (TimeUnit::Second | TimeUnit::Millisecond), _) = from {
        let scale = if *unit == TimeUnit::Second { 1_000_000 } else { 1_000 };
        let ints = cast_with_options(column, &DataType::Int64, &CastOptions::default())?;
        let too_large = ints.as_primitive::<Int64Type>().iter().flatten().any(|v| v.checked_mul(scale).is_none());
        if too_large {
            return Err(overflow(field));
        }
    }
    let utc = match from {
        // The instants stay; what is written is their time in UTC.
        DataType::Timestamp(unit, Some(_)) => {
            let zoneless = DataType::Timestamp(*unit, None);
            let ints = cast_with_options(column, &DataType::Int64, &CastOptions::default())?;
            cast_with_options(&ints, &zoneless, &CastOptions::default())?
        }
        _ => column.clone(),
    };
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(&utc, to, &strict).map_err(|e| overflow(field).caused_by(e))
}

fn overflow(field: &Field) -> Error {
    Error::new(
        ErrorKind::Overflow,
        format!("a value of column '{}' does not fit {}", field.name(), type_name(field.data_type())),
    )
    .help("make it a float or a text first")
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        DictionaryArray, Float32Array, Int32Array, LargeStringArray, ListArray, NullArray, StringArray,
        TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
    };
    use arrow::datatypes::{Float64Type, Int8Type, TimestampMicrosecondType};

    use super::*;

    fn conformed(array: ArrayRef) -> Result<ArrayRef> {
        let batch = RecordBatch::try_from_iter_with_nullable([("x", array, true)])?;
        let schema = conform_schema(&batch.schema())?;
        Ok(conform(&batch, &schema)?.column(0).clone())
    }

    #[test]
    fn values_stay_what_they_are() {
        let ints = conformed(Arc::new(Int32Array::from(vec![Some(-1), None]))).unwrap();
        assert_eq!(ints.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(-1), None]);
        let floats = conformed(Arc::new(Float32Array::from(vec![0.5, f32::NAN]))).unwrap();
        assert!(floats.as_primitive::<Float64Type>().value(1).is_nan());
        for texts in [
            Arc::new(StringArray::from(vec![Some("a"), None])) as ArrayRef,
            Arc::new(LargeStringArray::from(vec![Some("a"), None])),
            Arc::new([Some("a"), None].into_iter().collect::<DictionaryArray<Int8Type>>()),
        ] {
            let texts = conformed(texts).unwrap();
            assert_eq!(texts.as_string_view().iter().collect::<Vec<_>>(), [Some("a"), None]);
        }
        let nothing = conformed(Arc::new(NullArray::new(2))).unwrap();
        assert_eq!((nothing.null_count(), nothing.data_type()), (2, &DataType::Utf8View));
    }

    #[test]
    fn times_come_to_microseconds_in_utc() {
        let seconds = TimestampSecondArray::from(vec![Some(2), None]).with_timezone("+02:00");
        let micros = conformed(Arc::new(seconds)).unwrap();
        assert_eq!(micros.as_primitive::<TimestampMicrosecondType>().value(0), 2_000_000);
        let nanos = conformed(Arc::new(TimestampNanosecondArray::from(vec![1_999]))).unwrap();
        assert_eq!(nanos.as_primitive::<TimestampMicrosecondType>().value(0), 1);
        let far = conformed(Arc::new(TimestampMillisecondArray::from(vec![i64::MAX]))).unwrap_err();
        assert_eq!(far.kind(), ErrorKind::Overflow);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let large = conformed(Arc::new(UInt64Array::from(vec![u64::MAX]))).unwrap_err();
        assert_eq!(large.kind(), ErrorKind::Overflow);
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1)])]);
        assert_eq!(conformed(Arc::new(list)).unwrap_err().kind(), ErrorKind::Type);
        let schema = Schema::new(vec![Field::new("y", DataType::Int64, true)]);
        let batch = RecordBatch::try_from_iter([("x", Arc::new(Int32Array::from(vec![1])) as ArrayRef)]).unwrap();
        assert!(conform(&batch, &Arc::new(schema)).unwrap_err().message().contains("(y int64)"));
        let schema = Schema::new(vec![Field::new("x", DataType::Utf8View, true)]);
        assert_eq!(conform(&batch, &Arc::new(schema)).unwrap_err().kind(), ErrorKind::Type);
    }
}
