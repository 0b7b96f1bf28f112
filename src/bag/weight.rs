//! About how many bytes a value has in memory beside itself: what it owns, as serde sees it.
//!
//! Nobody knows what a value of any type holds. What it would write tells how long its texts and lists are; what these cost
//! beside their content is estimated, rather too high: a text may have room for more, a map has nodes that are half empty.

use std::fmt;

use serde::ser::{self, Serialize};

/// Beside the characters: pointer, length, capacity, and what the allocator keeps.
const TEXT: usize = 48;
/// The smallest map: a B-tree has nodes of eleven entries.
const MAP: usize = 640;
/// A number or the like, with the tag of an enum that it may be in.
const SCALAR: usize = 16;

/// # Errors
/// What the type itself finds wrong with the value.
pub(super) fn weight<T: Serialize + ?Sized>(value: &T) -> Result<usize, Unweighable> {
    value.serialize(Scales)
}

/// Why a value can't be encoded.
#[derive(Debug)]
pub(super) struct Unweighable(String);

impl fmt::Display for Unweighable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unweighable {}

impl ser::Error for Unweighable {
    fn custom<T: fmt::Display>(message: T) -> Unweighable {
        Unweighable(message.to_string())
    }
}

struct Scales;

/// The parts of a value, added up.
struct Sum(usize);

impl Sum {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unweighable> {
        self.0 += weight(value)?;
        Ok(())
    }
}

macro_rules! scalars {
    ($($method:ident: $type:ty),+) => { $(
        fn $method(self, _: $type) -> Result<usize, Unweighable> {
            Ok(SCALAR)
        }
    )+ };
}

impl ser::Serializer for Scales {
    type Ok = usize;
    type Error = Unweighable;
    type SerializeSeq = Sum;
    type SerializeTuple = Sum;
    type SerializeTupleStruct = Sum;
    type SerializeTupleVariant = Sum;
    type SerializeMap = Sum;
    type SerializeStruct = Sum;
    type SerializeStructVariant = Sum;

    scalars!(
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_u128: u128, serialize_f32: f32, serialize_f64: f64, serialize_char: char, serialize_unit_struct: &'static str
    );

    fn serialize_str(self, text: &str) -> Result<usize, Unweighable> {
        Ok(TEXT + text.len())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<usize, Unweighable> {
        Ok(TEXT + bytes.len())
    }

    fn serialize_none(self) -> Result<usize, Unweighable> {
        Ok(SCALAR)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<usize, Unweighable> {
        weight(value)
    }

    fn serialize_unit(self) -> Result<usize, Unweighable> {
        Ok(SCALAR)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<usize, Unweighable> {
        Ok(SCALAR)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<usize, Unweighable> {
        weight(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<usize, Unweighable> {
        Ok(SCALAR + weight(value)?)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Sum, Unweighable> {
        Ok(Sum(TEXT))
    }

    fn serialize_tuple(self, _: usize) -> Result<Sum, Unweighable> {
        Ok(Sum(0))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Sum, Unweighable> {
        Ok(Sum(0))
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Sum, Unweighable> {
        Ok(Sum(SCALAR))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Sum, Unweighable> {
        Ok(Sum(MAP))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Sum, Unweighable> {
        Ok(Sum(0))
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Sum, Unweighable> {
        Ok(Sum(SCALAR))
    }
}

macro_rules! parts {
    ($($part:ident $method:ident),+) => { $(
        impl ser::$part for Sum {
            type Ok = usize;
            type Error = Unweighable;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unweighable> {
                self.add(value)
            }

            fn end(self) -> Result<usize, Unweighable> {
                Ok(self.0)
            }
        }
    )+ };
}

parts!(SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field);

macro_rules! structs {
    ($($part:ident),+) => { $(
        impl ser::$part for Sum {
            type Ok = usize;
            type Error = Unweighable;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Unweighable> {
                self.add(value)
            }

            fn end(self) -> Result<usize, Unweighable> {
                Ok(self.0)
            }
        }
    )+ };
}

structs!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Sum {
    type Ok = usize;
    type Error = Unweighable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unweighable> {
        self.add(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unweighable> {
        self.add(value)
    }

    fn end(self) -> Result<usize, Unweighable> {
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weighs_no_less_than_is_allocated() {
        // Numbers and texts as the standard library allocates them: exact capacities are the least there can be.
        let numbers: Vec<u64> = (0..100).collect();
        assert!(weight(&numbers).unwrap() >= 800);
        let texts: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        assert!(weight(&texts).unwrap() >= 100 * (24 + 16));
        // An object of one entry is a node with room for eleven: texts of 24 bytes, values of 32.
        assert!(weight(&serde_json::json!({"a": 1})).unwrap() >= 11 * (24 + 32));
        assert!(weight(&(1, "x", Some(2.0), [3; 4])).unwrap() < 200);
    }
}
