"""Makes a small, signed, bootable RPM distribution out of Debian packages."""
