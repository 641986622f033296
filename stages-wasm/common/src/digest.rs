//! Checksums of what is written and read.
use osbuild_stage::{Result, Tree};
use sha2::{Digest, Sha256};
use std::io::{self, Read, Write};

/// The SHA-256 of these bytes in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    digits(&Sha256::digest(bytes))
}

/// The SHA-256 of a file, by contract path.
pub fn sha256_file(path: &str) -> Result<String> {
    let mut sums = Summed::new(io::sink());
    io::copy(&mut Tree::contract().open(path)?, &mut sums)?;
    Ok(sums.finish().sha256)
}

/// The SHA-256 of each block of `size` bytes of a file, by contract path; the last block may be shorter.
pub fn sha256_blocks(path: &str, size: u64) -> Result<Vec<String>> {
    let mut file = Tree::contract().open(path)?;
    let mut sums = Vec::new();
    loop {
        let mut block = Summed::new(io::sink());
        if io::copy(&mut Read::by_ref(&mut file).take(size), &mut block)? == 0 {
            return Ok(sums);
        }
        sums.push(block.finish().sha256);
    }
}

fn digits(sum: &[u8]) -> String {
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A writer that knows the SHA-256 and the length of what went through it.
#[derive(Debug)]
pub struct Summed<W> {
    inner: W,
    sum: Sha256,
    length: u64,
}

/// What went through a [`Summed`].
#[derive(Debug)]
pub struct Sums<W> {
    /// Where it went.
    pub inner: W,
    /// Its SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// How many bytes it was.
    pub length: u64,
}

impl<W: Write> Summed<W> {
    /// Passes everything on to `inner`.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            sum: Sha256::new(),
            length: 0,
        }
    }

    /// What was written.
    pub fn finish(self) -> Sums<W> {
        Sums {
            inner: self.inner,
            sha256: digits(&self.sum.finalize()),
            length: self.length,
        }
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sum.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_through_is_summed() {
        let mut summed = Summed::new(Vec::new());
        summed.write_all(b"abc").unwrap();
        let sums = summed.finish();
        assert_eq!((sums.inner, sums.length), (b"abc".to_vec(), 3));
        assert_eq!(sums.sha256, sha256(b"abc"));
        assert!(sums.sha256.starts_with("ba7816bf"));
    }
}
