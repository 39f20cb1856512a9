//! Some routines of BLAS, in double precision, with the names and arguments of `cblas.h`.
//!
//! As in BLAS, the caller answers for the memory that an address stands for. Sizes that cannot be
//! are a panic, which Noodle turns into an error.

mod layout;

use layout::{size, vector_place, Layout, Order, Transpose};

/// Return the sum of the products of two vectors' elements.
#[no_mangle]
pub unsafe extern "C" fn cblas_ddot(
    n: i32,
    x: *const f64,
    incx: i32,
    y: *const f64,
    incy: i32,
) -> f64 {
    let count = n.max(0) as usize;
    let x_at = |i| *x.add(vector_place(i, count, incx));
    let y_at = |i| *y.add(vector_place(i, count, incy));
    (0..count).map(|i| x_at(i) * y_at(i)).sum()
}

/// Add `alpha` times the vector `x` to the vector `y`.
#[no_mangle]
pub unsafe extern "C" fn cblas_daxpy(
    n: i32,
    alpha: f64,
    x: *const f64,
    incx: i32,
    y: *mut f64,
    incy: i32,
) {
    let count = n.max(0) as usize;
    for i in 0..count {
        *y.add(vector_place(i, count, incy)) += alpha * *x.add(vector_place(i, count, incx));
    }
}

/// Set the matrix `c` to `alpha` times the product of `a` and `b`, plus `beta` times `c`.
///
/// As they are meant, `a` has `m` rows and `k` columns, `b` has `k` and `n`, `c` has `m` and `n`.
#[no_mangle]
pub unsafe extern "C" fn cblas_dgemm(
    order: Order,
    trans_a: Transpose,
    trans_b: Transpose,
    m: i32,
    n: i32,
    k: i32,
    alpha: f64,
    a: *const f64,
    lda: i32,
    b: *const f64,
    ldb: i32,
    beta: f64,
    c: *mut f64,
    ldc: i32,
) {
    let (rows, columns, inner) = (size(m, "m"), size(n, "n"), size(k, "k"));
    let a_layout = Layout::of(order, trans_a, rows, inner, lda);
    let b_layout = Layout::of(order, trans_b, inner, columns, ldb);
    let c_layout = Layout::of(order, Transpose::No, rows, columns, ldc);
    for row in 0..rows {
        for column in 0..columns {
            let element = &mut *c.add(c_layout.place(row, column));
            *element = if beta == 0.0 { 0.0 } else { beta * *element };
        }
        for step in 0..inner {
            let factor = alpha * *a.add(a_layout.place(row, step));
            for column in 0..columns {
                let product = factor * *b.add(b_layout.place(step, column));
                *c.add(c_layout.place(row, column)) += product;
            }
        }
    }
}
