//! What pingora's hooks return: a future in a box. Most hooks have nothing to wait for; they have
//! done their work when they return, and their future is of no size, so that its box is no allocation.

use std::pin::Pin;

use pingora_core::{BError, Result};

/// As `async_trait` spells it.
pub(super) type Hook<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Spells a hook out as `async_trait` does, with a body that returns the future.
macro_rules! hook {
    (fn $name:ident<$($borrow:lifetime),*>($($arguments:tt)*) -> $outcome:ty $body:block) => {
        fn $name<$($borrow,)* 'hook>($($arguments)*) -> $crate::proxy::hook::Hook<'hook, $outcome>
        where
            $($borrow: 'hook,)*
        $body
    };
}
pub(super) use hook;

/// The hook of a phase that ended with a constant. It captures nothing.
macro_rules! at_once {
    ($outcome:expr) => {
        Box::pin(std::future::poll_fn(|_| std::task::Poll::Ready($outcome)))
    };
}
pub(super) use at_once;

/// The hook of a phase that failed.
pub(super) fn failed<'a, T: Send + 'a>(error: BError) -> Hook<'a, Result<T>> {
    Box::pin(std::future::ready(Err(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_at_once_takes_no_room() {
        let hook: Hook<'_, Result<bool>> = at_once!(Ok(false));
        assert_eq!(size_of_val(&*hook), 0);
    }
}
