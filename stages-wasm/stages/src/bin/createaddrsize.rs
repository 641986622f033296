//! Create the initrd address/size file for s390 LPAR boot.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Error, Result};
use serde::Deserialize;
use std::process::ExitCode;

/// Where the initrd is loaded.
const ADDRESS: i32 = 0x0200_0000;

#[derive(Deserialize)]
struct Options {
    initrd: String,
    addrsize: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let size = tree.stat(&options.initrd)?.size;
        let size = i32::try_from(size)
            .map_err(|_| Error::new(format!("{}: {size} bytes are too many", options.initrd)))?;
        tree.write(&options.addrsize, record(size))
    })
}

/// Address and size, each as the lower half of a big-endian number of 64 bits.
fn record(size: i32) -> Vec<u8> {
    [0, ADDRESS, 0, size]
        .into_iter()
        .flat_map(i32::to_be_bytes)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_big_endian() {
        assert_eq!(record(58), b"\0\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\x3a");
    }
}
