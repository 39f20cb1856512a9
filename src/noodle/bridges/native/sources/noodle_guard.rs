// What the guards around exported functions call. A failure is kept for its thread until
// noodle_take_failure() hands it over; noodle_failures counts those that nobody has taken.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString};
use std::fmt::Display;
use std::mem::MaybeUninit;
use std::os::raw::c_char;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Once;

#[export_name = "noodle_failures"]
pub static FAILURES: AtomicU32 = AtomicU32::new(0);

static HOOK: Once = Once::new();

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
    static FAILURE: RefCell<Option<CString>> = const { RefCell::new(None) };
    static TAKEN: RefCell<Option<CString>> = const { RefCell::new(None) };
    static KEPT: RefCell<Option<CString>> = const { RefCell::new(None) };
}

/// Kind, place (`file:line:column`) and message of what went wrong.
pub struct Failure {
    kind: &'static str,
    place: String,
    message: String,
}

/// The oldest failure of this thread that nobody has taken: kind, place and message, a line each.
#[export_name = "noodle_take_failure"]
pub extern "C" fn take_failure() -> *const c_char {
    let failure = FAILURE.with(|slot| slot.borrow_mut().take());
    match failure {
        None => std::ptr::null(),
        Some(text) => {
            FAILURES.fetch_sub(1, Ordering::Relaxed);
            TAKEN.with(|slot| slot.borrow_mut().insert(text).as_ptr())
        }
    }
}

fn keep_failure(failure: Failure) {
    let text = format!("{}\n{}\n{}", failure.kind, failure.place, failure.message);
    let is_first = FAILURE.with(|slot| {
        let mut slot = slot.borrow_mut();
        let is_first = slot.is_none();
        slot.get_or_insert_with(|| without_nul(text));
        is_first
    });
    if is_first {
        FAILURES.fetch_add(1, Ordering::Relaxed);
    }
}

fn without_nul(text: String) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

/// Remember where a panic is while a guard is around it, and leave the message to that.
fn install_hook() {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if DEPTH.with(|depth| depth.get()) == 0 {
                return before(info);
            }
            let place = info.location().map_or(String::new(), |l| l.to_string());
            PLACE.with(|slot| *slot.borrow_mut() = place);
        }));
    });
}

/// Call a function; what fails in it is kept, and what it would have returned is then all zeros.
pub fn call<R>(work: impl FnOnce() -> Result<R, Failure>) -> MaybeUninit<R> {
    install_hook();
    DEPTH.with(|depth| depth.set(depth.get() + 1));
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    DEPTH.with(|depth| depth.set(depth.get() - 1));
    match outcome {
        Ok(Ok(result)) => return MaybeUninit::new(result),
        Ok(Err(failure)) => keep_failure(failure),
        Err(payload) => keep_failure(panicked(payload)),
    }
    MaybeUninit::zeroed()
}

fn panicked(payload: Box<dyn Any + Send>) -> Failure {
    let message = payload
        .downcast_ref::<&str>()
        .map(|text| text.to_string())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| String::from("a value that is no text"));
    // Dropping the payload may panic in turn, and would end the process.
    std::mem::forget(payload);
    let place = PLACE.with(|slot| std::mem::take(&mut *slot.borrow_mut()));
    Failure { kind: "panic", place, message }
}

pub fn told<R, E: Display>(error: E) -> Result<R, Failure> {
    Err(Failure { kind: "error", place: String::new(), message: error.to_string() })
}

pub fn refused(name: &str, why: &str) -> Failure {
    Failure { kind: "argument", place: String::new(), message: format!("{name} {why}") }
}

pub unsafe fn reference<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Failure> {
    pointer.as_ref().ok_or_else(|| refused(name, "is null"))
}

pub unsafe fn reference_mut<'a, T>(pointer: *mut T, name: &str) -> Result<&'a mut T, Failure> {
    pointer.as_mut().ok_or_else(|| refused(name, "is null"))
}

pub fn present<T>(value: Option<T>, name: &str) -> Result<T, Failure> {
    value.ok_or_else(|| refused(name, "is null"))
}

pub unsafe fn owned<T>(pointer: *mut T, name: &str) -> Result<Box<T>, Failure> {
    match pointer.is_null() {
        true => Err(refused(name, "is null")),
        false => Ok(Box::from_raw(pointer)),
    }
}

pub unsafe fn slice<'a, T>(start: *const T, len: usize, name: &str) -> Result<&'a [T], Failure> {
    match (start.is_null(), len) {
        (true, 0) => Ok(&[]),
        (true, _) => Err(refused(name, "is null")),
        _ => Ok(std::slice::from_raw_parts(start, len)),
    }
}

pub unsafe fn slice_mut<'a, T>(start: *mut T, len: usize, name: &str) -> Result<&'a mut [T], Failure> {
    match (start.is_null(), len) {
        (true, 0) => Ok(&mut []),
        (true, _) => Err(refused(name, "is null")),
        _ => Ok(std::slice::from_raw_parts_mut(start, len)),
    }
}

pub unsafe fn c_text<'a>(start: *const c_char, name: &str) -> Result<&'a CStr, Failure> {
    match start.is_null() {
        true => Err(refused(name, "is null")),
        false => Ok(CStr::from_ptr(start)),
    }
}

pub unsafe fn text<'a>(start: *const c_char, name: &str) -> Result<&'a str, Failure> {
    c_text(start, name)?.to_str().map_err(|_| refused(name, "is not UTF-8"))
}

pub fn character(number: u32, name: &str) -> Result<char, Failure> {
    char::from_u32(number).ok_or_else(|| refused(name, "is no character"))
}

/// Keep a text until the next one of this thread, and return where it is.
pub fn kept(text: impl Into<String>) -> Result<*const c_char, Failure> {
    match CString::new(text.into()) {
        Ok(text) => Ok(KEPT.with(|slot| slot.borrow_mut().insert(text).as_ptr())),
        Err(_) => Err(refused("the result", "has a NUL inside")),
    }
}
