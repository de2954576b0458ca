//! Threads that give way: where processors are short, those that carry traffic go first.

/// Linux counts to 19, and each step is about a fifth less of a contended processor.
const NICENESS: i32 = 10;

/// Has the calling thread, and those that it starts, give way to others. On Linux niceness is a thread's own.
pub fn give_way() {
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "a background thread competes with traffic");
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn only_the_thread_itself_gives_way() {
        let before = getpriority_process(None).unwrap();
        let within = std::thread::spawn(|| {
            give_way();
            getpriority_process(None).unwrap()
        });
        assert!(within.join().unwrap() > before);
        assert_eq!(getpriority_process(None).unwrap(), before);
    }
}
