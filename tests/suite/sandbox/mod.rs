//! Components that try to get at what they were not granted. Every one fails cleanly, and nothing outside of its tree changes.
mod devices;
mod files;
mod limits;
mod moved;
mod places;
mod programs;
mod races;
mod reads;
mod resources;
mod rights;
mod sockets;
