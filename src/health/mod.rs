//! The health loop.
