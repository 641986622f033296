//! Files as block devices.
use crate::Result;
use crate::bindings::osbuild::stage::loopback as wit;
use std::fmt;

pub use crate::bindings::osbuild::stage::loopback::Options;

/// An attached file; dropping it detaches.
pub struct Device(wit::Device);

impl Device {
    /// Attaches a regular file of the tree or the output, by contract path.
    pub fn attach(path: &str, options: Options) -> Result<Self> {
        Ok(Self(wit::attach(path, options)?))
    }

    /// Contract path of the device.
    pub fn path(&self) -> String {
        self.0.path()
    }

    /// Detaches and says whether all data reached the file.
    pub fn detach(self) -> Result<()> {
        Ok(self.0.detach()?)
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Device").finish_non_exhaustive()
    }
}
