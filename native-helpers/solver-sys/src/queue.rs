//! Lists of numbers as libsolv has them.
use crate::raw;
use std::ffi::c_int;

/// A `Queue`; freed when dropped.
pub(crate) struct Queue(raw::Queue);

impl Queue {
    pub(crate) fn new(elements: &[i32]) -> Self {
        let mut queue = raw::Queue {
            elements: std::ptr::null_mut(),
            count: 0,
            alloc: std::ptr::null_mut(),
            left: 0,
        };
        let count = c_int::try_from(elements.len()).unwrap_or(c_int::MAX);
        // SAFETY: it initializes the structure, and then reads `count` elements of a slice that has as many.
        unsafe {
            raw::queue_init(&raw mut queue);
            raw::queue_insertn(&raw mut queue, 0, count, elements.as_ptr());
        }
        Self(queue)
    }

    pub(crate) fn raw(&mut self) -> *mut raw::Queue {
        &raw mut self.0
    }

    pub(crate) fn elements(&self) -> &[i32] {
        let count = usize::try_from(self.0.count).unwrap_or_default();
        if count == 0 {
            return &[];
        }
        // SAFETY: libsolv keeps `count` elements there, and the borrow keeps it from changing them.
        unsafe { std::slice::from_raw_parts(self.0.elements, count) }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: it was initialized, and it is not used afterwards.
        unsafe { raw::queue_free(self.raw()) }
    }
}
