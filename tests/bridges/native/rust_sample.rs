//! What the tests of Rust sources call.
use std::os::raw::{c_char, c_int};

mod nested {
    #[no_mangle]
    pub extern "C" fn inner(x: i64) -> i64 { x * super::FACTOR }
}

const FACTOR: i64 = 3;

#[repr(C)]
pub struct Point { pub x: f64, pub y: f64, pub cells: [i32; 3] }

pub struct Counter { next: i32 }

#[repr(i32)]
#[derive(Clone, Copy)]
pub enum Color { Red, Green = 5 }

type Real = f64;

#[no_mangle]
pub extern "C" fn double(x: f64) -> f64 { 2.0 * x }

#[no_mangle]
pub extern "C" fn sum(values: &[f64]) -> f64 { values.iter().sum() }

#[no_mangle]
pub extern "C" fn scale(values: &mut [f64], factor: Real) { for v in values { *v *= factor } }

#[no_mangle]
pub unsafe extern "C" fn total(values: *const f64, count: usize) -> f64 {
    std::slice::from_raw_parts(values, count).iter().sum()
}

#[no_mangle]
pub extern "C" fn divide(a: i32, b: i32) -> i32 {
    if b == 7 {
        panic!("{b} is no divisor");
    }
    a / b
}

#[no_mangle]
pub extern "C" fn through_another(x: i32) -> i32 { divide(x, 7) }

#[no_mangle]
pub extern "C" fn nothing() {}

#[no_mangle]
pub extern "C" fn norm(point: &Point) -> f64 { point.x.hypot(point.y) }

#[no_mangle]
pub extern "C" fn counter_new(start: i32) -> Box<Counter> { Box::new(Counter { next: start }) }

#[no_mangle]
pub extern "C" fn counter_next(counter: &mut Counter) -> i32 { counter.next += 1; counter.next }

#[no_mangle]
pub extern "C" fn counter_free(counter: Option<Box<Counter>>) { drop(counter) }

#[no_mangle]
pub extern "C" fn same_counter(counter: Option<&Counter>) -> Option<&Counter> { counter }

#[no_mangle]
pub extern "C" fn opposite(color: Color) -> Color {
    match color { Color::Red => Color::Green, Color::Green => Color::Red }
}

#[no_mangle]
pub extern "C" fn parse(text: &str) -> Result<i64, std::num::ParseIntError> { text.trim().parse() }

#[no_mangle]
pub extern "C" fn check(x: i32) -> Result<(), String> {
    if x > 0 { Err(format!("{x} is too much\nby {x}")) } else { Ok(()) }
}

#[no_mangle]
pub extern "C" fn shout(text: &str) -> String { text.to_uppercase() }

#[no_mangle]
pub extern "C" fn length(text: *const c_char) -> usize {
    unsafe { std::ffi::CStr::from_ptr(text) }.to_bytes().len()
}

#[no_mangle]
pub extern "C" fn following(letter: char) -> char { char::from_u32(letter as u32 + 1).unwrap() }

#[no_mangle]
pub extern "C" fn with_mut(mut r#type: c_int, _: bool) -> c_int { r#type += 1; r#type }

#[no_mangle]
pub extern "C" fn wide(x: i128) -> i64 { x as i64 }

#[no_mangle]
pub fn rusty(x: f64) -> f64 { x }

pub extern "C" fn mangled(x: f64) -> f64 { x }

impl Point {
    #[no_mangle]
    pub extern "C" fn method(&self) -> f64 { self.x }
}
