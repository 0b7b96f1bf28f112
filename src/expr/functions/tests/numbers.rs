//! Functions on numbers.

use proptest::prelude::*;

use super::*;
use crate::expr::{col, lit};

fn numbers() -> RecordBatch {
    batch(vec![
        ("i", ints(&[Some(7), Some(-7), Some(0), None, Some(i64::MIN + 1), Some(i64::MAX)])),
        ("j", ints(&[Some(2), Some(2), Some(0), Some(1), Some(-1), Some(10)])),
        ("x", floats(&[Some(2.5), Some(-2.5), Some(-0.0), None, Some(f64::NAN), Some(f64::NEG_INFINITY)])),
        ("s", texts(&[Some("a"); 6])),
    ])
}

#[test]
fn floor_division() {
    let b = numbers();
    check(&b, col("i").floor_div(2), "3, -4, 0, null, -4611686018427387904, 4611686018427387903");
    check(&b, col("i").floor_div(-2), "-4, 3, 0, null, 4611686018427387903, -4611686018427387904");
    check(&b, col("i").floor_div(0), "null, null, null, null, null, null");
    check(&b, col("i").floor_div(col("j")), "3, -4, null, null, 9223372036854775807, 922337203685477580");
    check(&b, lit(-1).floor_div(col("j")), "-1, -1, null, -1, 1, -1");
    check(&b, col("x").floor_div(2), "1.0, -2.0, -0.0, null, NaN, -inf");
    check(&b, col("x").floor_div(0), "inf, -inf, NaN, null, NaN, -inf");
    check(&b, lit(7.5).floor_div(2), "3.0, 3.0, 3.0, 3.0, 3.0, 3.0");
    check(&b, col("i").floor_div(None::<i64>), "null, null, null, null, null, null");
    let least = batch(vec![("i", ints(&[Some(i64::MIN)]))]);
    assert_eq!(error(&least, col("i").floor_div(-1)).kind(), ErrorKind::Overflow);
    assert_eq!(error(&b, lit(i64::MIN).floor_div(-1)).kind(), ErrorKind::Overflow);
    // The remainder has the sign of the left side.
    check(&b, col("i") % 4, "3, -3, 0, null, -3, 3");
    check(&b, col("x") % 2, "0.5, -0.5, -0.0, null, NaN, NaN");
}

#[test]
fn powers_and_logarithms() {
    let b = numbers();
    check(&b, col("i").pow(2), "49.0, 49.0, 0.0, null, 8.507059173023462e37, 8.507059173023462e37");
    check(&b, col("x").pow(0), "1.0, 1.0, 1.0, null, 1.0, 1.0");
    check(&b, lit(0).pow(-1), "inf, inf, inf, inf, inf, inf");
    check(&b, lit(2).pow(col("j")), "4.0, 4.0, 1.0, 2.0, 0.5, 1024.0");
    check(&b, col("x").sqrt(), "1.5811388300841898, NaN, -0.0, null, NaN, NaN");
    check(&b, col("x").exp(), "12.182493960703473, 0.0820849986238988, 1.0, null, NaN, 0.0");
    check(&b, col("j").ln(), "0.6931471805599453, 0.6931471805599453, -inf, 0.0, NaN, 2.302585092994046");
    check(&b, lit(1000).log(10), "3.0, 3.0, 3.0, 3.0, 3.0, 3.0");
    check(&b, lit(8).log(2), "3.0, 3.0, 3.0, 3.0, 3.0, 3.0");
    check(&b, col("x").log(None::<f64>), "null, null, null, null, null, null");
}

#[test]
fn signs_and_bounds() {
    let b = numbers();
    check(&b, col("i").abs(), "7, 7, 0, null, 9223372036854775807, 9223372036854775807");
    check(&b, col("x").abs(), "2.5, 2.5, 0.0, null, NaN, inf");
    check(&b, col("i").sign(), "1, -1, 0, null, -1, 1");
    check(&b, col("x").sign(), "1.0, -1.0, -0.0, null, NaN, -1.0");
    check(&b, col("x").floor(), "2.0, -3.0, -0.0, null, NaN, -inf");
    check(&b, col("x").ceil(), "3.0, -2.0, -0.0, null, NaN, -inf");
    check(&b, col("i").floor(), "7, -7, 0, null, -9223372036854775807, 9223372036854775807");
    check(&b, col("x").clip(-1, 1), "1.0, -1.0, -0.0, null, NaN, -1.0");
    check(&b, col("i").clip(0, None::<i64>), "7, 0, 0, null, 0, 9223372036854775807");
    check(&b, col("i").clip(3, 1), "1, 1, 1, null, 1, 1");
    check(&b, col("i").clip(col("j"), 5.5), "5.5, 2.0, 0.0, null, -1.0, 5.5");
    check(&b, col("x").clip(f64::NAN, f64::NAN), "2.5, -2.5, -0.0, null, NaN, -inf");
    check(&b, lit(None::<i64>).clip(1, 2), "null, null, null, null, null, null");
    check(&b, col("x").is_nan(), "false, false, false, null, true, false");
    check(&b, col("i").is_nan(), "false, false, false, null, false, false");
    assert_eq!(error(&b, lit(i64::MIN).abs()).kind(), ErrorKind::Overflow);
}

#[test]
fn rounding() {
    let b = numbers();
    check(&b, col("x").round(0), "3.0, -3.0, -0.0, null, NaN, -inf");
    check(&b, col("i").round(3), "7, -7, 0, null, -9223372036854775807, 9223372036854775807");
    check(&b, (col("j") * 25).round(-2), "100, 100, 0, 0, 0, 300");
    check(&b, (col("j") * -25).round(-1), "-50, -50, 0, -30, 30, -250");
    check(&b, lit(i64::MAX).round(-22), "0, 0, 0, 0, 0, 0");
    assert_eq!(error(&b, col("i").round(-1)).kind(), ErrorKind::Overflow);
    let value = |x: f64, decimals| {
        let b = batch(vec![("x", floats(&[Some(x)]))]);
        eval(&b, &col("x").round(decimals)).unwrap().as_primitive::<Float64Type>().value(0)
    };
    for (x, decimals, want) in [
        (1.005, 2, 1.0),  // 1.00499999999999989…
        (1.115, 2, 1.11), // 1.11499999999999999…, though times 100 it is 111.5 as a float
        (2.675, 2, 2.67),
        (0.125, 2, 0.13),
        (-0.125, 2, -0.13),
        (1250.0, -2, 1300.0),
        (-1250.0, -2, -1300.0),
        (1e300, 5, 1e300),
        (1e22, -22, 1e22),
        (0.3, 22, 0.3),
        (5e-324, 22, 0.0),
        (4503599627370497.5, 0, 4503599627370498.0),
        (0.49999999999999994, 0, 0.0),
    ] {
        assert_eq!(value(x, decimals), want, "{x} to {decimals}");
    }
}

#[test]
fn misuses() {
    let b = numbers();
    misuse(
        &b,
        col("s").sqrt(),
        ErrorKind::Type,
        "'s' is text, and sqrt takes numbers\n  help: make a number of it with cast(Type::Float64) or cast(Type::Int64)",
    );
    misuse(&b, col("x").round(23), ErrorKind::Config, "round takes no 23 decimals\n  help: give from -22 to 22");
    misuse(
        &b,
        col("x").clip(0, "a"),
        ErrorKind::Type,
        "\"a\" is text, and another value in clip is float64\n  help: make them one type, as with cast(Type::Text)",
    );
    for expr in [col("s").floor_div(1), col("s").pow(1), lit(1).pow(col("s")), col("s").clip("a", "b"), lit(true).abs()]
    {
        assert_eq!(error(&b, expr).kind(), ErrorKind::Type);
    }
}

/// A decimal with one digit more than asked for, rounded by hand on its exact digits.
fn naive_round(x: f64, decimals: usize) -> f64 {
    // All digits: a float has at most 1074 behind the point.
    let exact = format!("{:.1074}", x.abs());
    let point = exact.find('.').unwrap();
    let up = exact.as_bytes()[point + 1 + decimals] >= b'5';
    let mut digits: Vec<u8> = exact[..point + 1 + decimals].bytes().filter(|b| *b != b'.').collect();
    let mut at = digits.len();
    while up && at > 0 {
        at -= 1;
        if digits[at] < b'9' {
            digits[at] += 1;
            break;
        }
        digits[at] = b'0';
        if at == 0 {
            digits.insert(0, b'1');
        }
    }
    let text = String::from_utf8(digits).unwrap();
    let (whole, fraction) = text.split_at(text.len() - decimals);
    format!("{whole}.{fraction}0").parse::<f64>().unwrap().copysign(x)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rounds_the_float_exactly(n in -10_000_000i64..10_000_000, scale in 0usize..6, decimals in 0usize..5) {
        let x = n as f64 / 10f64.powi(scale as i32);
        let b = batch(vec![("x", floats(&[Some(x)]))]);
        let got = eval(&b, &col("x").round(decimals as i32)).unwrap().as_primitive::<Float64Type>().value(0);
        prop_assert_eq!(got, naive_round(x, decimals), "{} to {}", x, decimals);
    }

    #[test]
    fn integers_divide_as_in_128_bits(a in any::<i64>(), shift in 0..63, c in any::<i64>(), other in 0..63, k in 0i32..19) {
        let (a, c) = (a >> shift, c >> other);
        let b = batch(vec![("a", ints(&[Some(a)])), ("c", ints(&[Some(c)]))]);
        let one = |expr: Expr| expr.bind(&b.schema()).unwrap().eval(&b).map(|v| v.as_primitive::<Int64Type>().iter().next().unwrap());
        let wide = (c != 0).then(|| (i128::from(a) - (i128::from(a)).rem_euclid(i128::from(c).abs())) / i128::from(c));
        let wide = wide.map(|q| if c < 0 && i128::from(a) % i128::from(c) != 0 { q - 1 } else { q });
        match wide.map(i64::try_from) {
            None => prop_assert_eq!(one(col("a").floor_div(col("c"))).unwrap(), None),
            Some(Ok(q)) => prop_assert_eq!(one(col("a").floor_div(col("c"))).unwrap(), Some(q)),
            Some(Err(_)) => prop_assert!(one(col("a").floor_div(col("c"))).is_err()),
        }
        let unit = 10i128.pow(k as u32);
        let magnitude = (i128::from(a).abs() + unit / 2) / unit * unit;
        let rounded = i64::try_from(if a < 0 { -magnitude } else { magnitude });
        match rounded {
            Ok(r) => prop_assert_eq!(one(col("a").round(-k)).unwrap(), Some(r)),
            Err(_) => prop_assert_eq!(one(col("a").round(-k)).unwrap_err().kind(), ErrorKind::Overflow),
        }
    }
}
