//! Header edits from the configuration: remove, then set, then add.

use http::{HeaderName, HeaderValue};
use pingora_http::{RequestHeader, ResponseHeader};

use crate::config::HeaderEdit;

/// A header that can be edited.
trait Editable {
    fn remove(&mut self, name: &HeaderName);
    fn set(&mut self, name: &HeaderName, value: &HeaderValue) -> pingora_core::Result<()>;
    fn add(&mut self, name: &HeaderName, value: &HeaderValue) -> pingora_core::Result<()>;
}

macro_rules! editable {
    ($header:ty) => {
        impl Editable for $header {
            fn remove(&mut self, name: &HeaderName) {
                self.remove_header(name);
            }

            fn set(&mut self, name: &HeaderName, value: &HeaderValue) -> pingora_core::Result<()> {
                self.insert_header(name.clone(), value.clone())
            }

            fn add(&mut self, name: &HeaderName, value: &HeaderValue) -> pingora_core::Result<()> {
                self.append_header(name.clone(), value.clone()).map(|_| ())
            }
        }
    };
}

editable!(RequestHeader);
editable!(ResponseHeader);

fn apply(edit: &HeaderEdit, header: &mut impl Editable) -> pingora_core::Result<()> {
    let HeaderEdit { remove, set, add } = edit;
    for name in remove {
        header.remove(name);
    }
    for (name, value) in set {
        header.set(name, value)?;
    }
    for (name, value) in add {
        header.add(name, value)?;
    }
    Ok(())
}

/// Edits a request on its way to the upstream.
pub(super) fn request(edit: &HeaderEdit, header: &mut RequestHeader) -> pingora_core::Result<()> {
    apply(edit, header)
}

/// Edits a response on its way to the client.
pub(super) fn response(edit: &HeaderEdit, header: &mut ResponseHeader) -> pingora_core::Result<()> {
    apply(edit, header)
}
