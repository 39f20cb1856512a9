//! Where the elements of vectors and matrices are.

/// Whether the elements of a row or those of a column lie side by side.
#[derive(Clone, Copy, PartialEq)]
#[repr(C)]
pub enum Order {
    RowMajor = 101,
    ColumnMajor = 102,
}

/// Whether a matrix is meant as it is stored, or with rows and columns exchanged.
#[derive(Clone, Copy, PartialEq)]
#[repr(C)]
pub enum Transpose {
    No = 111,
    Yes = 112,
    Conjugate = 113,
}

/// The places of a matrix's elements, as it is meant.
pub struct Layout {
    row_step: usize,
    column_step: usize,
}

impl Layout {
    /// The layout of a matrix of `rows` by `columns`, whose lines begin `leading` elements apart.
    pub fn of(
        order: Order,
        transpose: Transpose,
        rows: usize,
        columns: usize,
        leading: i32,
    ) -> Layout {
        let by_rows = (order == Order::RowMajor) == (transpose == Transpose::No);
        let line = if by_rows { columns } else { rows };
        let leading = size(leading, "a leading dimension");
        assert!(leading >= line.max(1), "a leading dimension is {leading}, and lines have {line}");
        if by_rows {
            Layout { row_step: leading, column_step: 1 }
        } else {
            Layout { row_step: 1, column_step: leading }
        }
    }

    /// The place of an element, counted from the first.
    pub fn place(&self, row: usize, column: usize) -> usize {
        row * self.row_step + column * self.column_step
    }
}

/// A size that the caller states.
pub fn size(stated: i32, what: &str) -> usize {
    usize::try_from(stated).unwrap_or_else(|_| panic!("{what} is {stated}"))
}

/// The place of a vector's element, counted from its address; a negative step goes backwards.
pub fn vector_place(index: usize, count: usize, step: i32) -> usize {
    let forward = if step < 0 { count - 1 - index } else { index };
    forward * step.unsigned_abs() as usize
}
