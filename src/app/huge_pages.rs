//! Memory in pages of the ordinary size.
//!
//! With huge ones the kernel gives two megabytes where a few kilobytes are asked for: at rest that took 90 MB
//! instead of 50, and requests cost no less processor time without.

/// Does without transparent huge pages, where the system would give them unasked. A system that cannot be told
/// goes on as it is.
pub(super) fn do_without() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "transparent huge pages stay as the system has them");
    }
}
