//! Tables of any library that speaks the Arrow C stream interface (`__arrow_c_stream__`).

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch, RecordBatchReader};
use arrow_schema::DataType;
use crossfade_metrics::Rows;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::InvalidInput;

/// Read a table's columns of queries, documents and values; `values` reads the last.
pub(crate) fn rows<V: Copy>(
    table: &Bound<'_, PyAny>,
    names: &[String; 3],
    values: fn(&dyn Array, &str) -> Result<Vec<V>, String>,
) -> PyResult<Rows<V>> {
    let mut rows = Rows::default();
    let reader = stream(table)?;
    let schema = reader.schema();
    let mut positions = [0; 3];
    for (position, name) in positions.iter_mut().zip(names) {
        if schema.fields().iter().filter(|field| field.name() == name).count() > 1 {
            return Err(InvalidInput::new_err(format!("the table has the column {name:?} more than once: rename one")));
        }
        *position = schema.index_of(name).map_err(|_| {
            let there: Vec<_> = schema.fields().iter().map(|field| format!("{:?}", field.name())).collect();
            InvalidInput::new_err(format!("the table has no column {name:?}: it has {}", there.join(", ")))
        })?;
    }
    for batch in reader {
        let batch = batch.map_err(|error| InvalidInput::new_err(format!("the table cannot be read: {error}")))?;
        push(&mut rows, &batch, positions, names, values).map_err(InvalidInput::new_err)?;
    }
    Ok(rows)
}

/// Take over the stream of a table.
fn stream(table: &Bound<'_, PyAny>) -> PyResult<RecordBatchStreamReader> {
    if !table.hasattr("__arrow_c_stream__")? {
        let name = table.get_type().name()?;
        return Err(InvalidInput::new_err(format!("{name} is no Arrow table: it has no __arrow_c_stream__")));
    }
    let capsule = table.call_method0("__arrow_c_stream__")?;
    let pointer = capsule.cast::<PyCapsule>()?.pointer_checked(Some(c"arrow_array_stream"))?;
    // SAFETY: the interface promises that a capsule of this name points to an initialised ArrowArrayStream, which the
    // consumer moves out of it; the capsule lives to the end of this function, and its destructor leaves a stream alone
    // that was moved out. What the stream delivers is validated before it is used.
    let stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr().cast()) };
    RecordBatchStreamReader::try_new(stream)
        .map_err(|error| InvalidInput::new_err(format!("the Arrow stream cannot be read: {error}")))
}

fn push<V: Copy>(
    rows: &mut Rows<V>,
    batch: &RecordBatch,
    positions: [usize; 3],
    names: &[String; 3],
    values: fn(&dyn Array, &str) -> Result<Vec<V>, String>,
) -> Result<(), String> {
    if batch.num_rows() == 0 {
        return Ok(());
    }
    let [queries, documents, last] = positions.map(|position| batch.column(position));
    for (column, name) in [queries, documents, last].into_iter().zip(names) {
        // The interface hands over buffers as they are: offsets, UTF-8 and dictionary keys may be wrong.
        column.to_data().validate_full().map_err(|error| format!("column {name:?} is damaged: {error}"))?;
        if let Some(row) = column.logical_nulls().and_then(|nulls| nulls.iter().position(|valid| !valid)) {
            return Err(format!("column {name:?} is null in row {} (of its batch): drop such rows", row + 1));
        }
    }
    let (queries, documents) = (Ids::read(queries, &names[0])?, Ids::read(documents, &names[1])?);
    let values = values(last, &names[2])?;
    rows.reserve(values.len());
    let (mut query_text, mut document_text) = (String::new(), String::new());
    for (row, &value) in values.iter().enumerate() {
        rows.open(queries.get(row, &mut query_text));
        rows.push(documents.get(row, &mut document_text), value);
    }
    Ok(())
}

/// A column of ids without nulls.
enum Ids<'a> {
    Strings(Vec<&'a str>),
    /// Whole numbers stand for their decimal digits.
    Whole(Vec<i64>),
    /// Positions into other ids.
    Coded(Vec<usize>, Box<Ids<'a>>),
}

impl<'a> Ids<'a> {
    fn read(array: &'a Arc<dyn Array>, name: &str) -> Result<Self, String> {
        match array.data_type() {
            DataType::Utf8 => Ok(Self::Strings(array.as_string::<i32>().iter().flatten().collect())),
            DataType::LargeUtf8 => Ok(Self::Strings(array.as_string::<i64>().iter().flatten().collect())),
            DataType::Utf8View => Ok(Self::Strings(array.as_string_view().iter().flatten().collect())),
            DataType::Dictionary(_, _) => {
                let dictionary = array.as_any_dictionary();
                let known = dictionary.values();
                if known.null_count() > 0 {
                    return Err(format!("column {name:?} has a null among its categories: drop it"));
                }
                Ok(Self::Coded(dictionary.normalized_keys(), Box::new(Self::read(known, name)?)))
            }
            other => whole(array.as_ref())
                .map(Self::Whole)
                .ok_or_else(|| format!("column {name:?} is of type {other}: ids must be strings or 64-bit integers")),
        }
    }

    fn get<'b>(&'b self, row: usize, buffer: &'b mut String) -> &'b str {
        match self {
            Self::Strings(strings) => strings[row],
            Self::Whole(numbers) => {
                buffer.clear();
                // Writing into a string cannot fail.
                let _ = write!(buffer, "{}", numbers[row]);
                buffer
            }
            Self::Coded(keys, ids) => ids.get(keys[row], buffer),
        }
    }
}

/// Every value of a primitive column, through `Into` or `TryInto`.
macro_rules! convert {
    ($array:expr, $kind:ty, $value:ident => $into:expr) => {
        $array.as_primitive::<$kind>().values().iter().map(|&$value| $into).collect()
    };
}

/// Integers, if the column holds such and all fit.
fn whole(array: &dyn Array) -> Option<Vec<i64>> {
    match array.data_type() {
        DataType::Int8 => convert!(array, Int8Type, value => Some(value.into())),
        DataType::Int16 => convert!(array, Int16Type, value => Some(value.into())),
        DataType::Int32 => convert!(array, Int32Type, value => Some(value.into())),
        DataType::Int64 => convert!(array, Int64Type, value => Some(value)),
        DataType::UInt8 => convert!(array, UInt8Type, value => Some(value.into())),
        DataType::UInt16 => convert!(array, UInt16Type, value => Some(value.into())),
        DataType::UInt32 => convert!(array, UInt32Type, value => Some(value.into())),
        DataType::UInt64 => convert!(array, UInt64Type, value => value.try_into().ok()),
        _ => None,
    }
}

/// A column of grades.
pub(crate) fn grades(array: &dyn Array, name: &str) -> Result<Vec<i32>, String> {
    let numbers = whole(array).ok_or_else(|| {
        format!("column {name:?} is of type {}: grades must be integers that fit 32 bits", array.data_type())
    })?;
    let fits = |number: i64| {
        i32::try_from(number).map_err(|_| format!("column {name:?} holds {number}: grades must fit 32 bits"))
    };
    numbers.into_iter().map(fits).collect()
}

/// A column of scores.
pub(crate) fn scores(array: &dyn Array, name: &str) -> Result<Vec<f64>, String> {
    match array.data_type() {
        DataType::Float16 => Ok(convert!(array, Float16Type, value => value.into())),
        DataType::Float32 => Ok(convert!(array, Float32Type, value => value.into())),
        DataType::Float64 => Ok(convert!(array, Float64Type, value => value)),
        other => whole(array)
            .map(|numbers| numbers.into_iter().map(|number| number as f64).collect())
            .ok_or_else(|| format!("column {name:?} is of type {other}: scores must be numbers")),
    }
}
