// SPDX-License-Identifier: MPL-2.0
//! The ways in which a call reads and writes what its caller owns.

/// Writes a result.
///
/// # Safety
/// `place` is valid for writing, as libva requires of its caller.
pub(crate) unsafe fn put<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: as promised.
        unsafe { place.write(value) };
    }
}

/// Writes a list and its length, in a place that is large enough.
///
/// # Safety
/// `list` has room for as many as libva has promised (`max_profiles` and the like), or
/// is null, and `count` is valid for writing.
pub(crate) unsafe fn put_list<T: Copy, N: TryFrom<usize>>(
    list: *mut T,
    count: *mut N,
    values: &[T],
) {
    if !list.is_null() {
        // SAFETY: as promised; the values are elsewhere.
        unsafe { list.copy_from_nonoverlapping(values.as_ptr(), values.len()) };
    }
    if let Ok(number) = N::try_from(values.len()) {
        // SAFETY: as promised.
        unsafe { put(count, number) };
    }
}

/// What the caller hands on; nothing if it hands on nothing.
///
/// # Safety
/// `list` has `count` elements, which do not change during the call.
pub(crate) unsafe fn list<'a, T>(list: *const T, count: i64) -> &'a [T] {
    match usize::try_from(count) {
        // SAFETY: as promised.
        Ok(count) if !list.is_null() => unsafe { std::slice::from_raw_parts(list, count) },
        _ => &[],
    }
}

/// What the caller hands on to be changed.
///
/// # Safety
/// `list` has `count` elements, which nobody else uses during the call.
pub(crate) unsafe fn list_mut<'a, T>(list: *mut T, count: i64) -> &'a mut [T] {
    match usize::try_from(count) {
        // SAFETY: as promised.
        Ok(count) if !list.is_null() => unsafe { std::slice::from_raw_parts_mut(list, count) },
        _ => &mut [],
    }
}
