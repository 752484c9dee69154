//! Vestibule with an allocator that counts, for `bench/run counts`.
//!
//! Takes the arguments of `vestibule`. For every line on standard input it prints one: the number of allocations since
//! the last line, and how many of them the gateway's own code made. With the environment variable `SITES` it also prints
//! where.
//!
//! An allocation is the gateway's own if its code comes before that of hyper, tokio and the like in the backtrace, as
//! seen from the allocator. A header that the gateway puts into a map of the crate `http` is its own; the buffer of a
//! connection is not.

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead as _, Write as _, stderr, stdin, stdout};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use vestibule::cli;
use vestibule::config::Environment;

/// Sources whose allocations count for their caller: the standard library, crates of containers, and this file.
const SERVANTS: &[&str] =
    &["/rustc/", "/library/", "/bytes-", "/http-", "/hashbrown-", "counting/src/main.rs"];

struct Counting;

static WATCHING: AtomicBool = AtomicBool::new(false);
static ALL: AtomicU64 = AtomicU64::new(0);
static PLACES: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

thread_local! {
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

impl Counting {
    fn note() {
        if !WATCHING.load(Ordering::Relaxed) || BUSY.try_with(Cell::get).unwrap_or(true) {
            return;
        }
        BUSY.with(|busy| busy.set(true));
        ALL.fetch_add(1, Ordering::Relaxed);
        if let Some(place) = place(&Backtrace::force_capture().to_string()) {
            *PLACES.lock().expect("no panic while it is held").entry(place).or_default() += 1;
        }
        BUSY.with(|busy| busy.set(false));
    }
}

/// The source line that made an allocation, if it is the gateway's own.
fn place(trace: &str) -> Option<String> {
    let mut lines = trace.lines().filter_map(|line| line.trim().strip_prefix("at "));
    let asked = lines.find(|line| !SERVANTS.iter().any(|servant| line.contains(servant)))?;
    (!asked.contains("/registry/src/")).then(|| asked.to_owned())
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::note();
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::note();
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn answer_lines() {
    BUSY.with(|busy| busy.set(true));
    let named = env::var_os("SITES").is_some();
    for _ in stdin().lock().lines() {
        let all = ALL.swap(0, Ordering::Relaxed);
        let places = std::mem::take(&mut *PLACES.lock().expect("no panic while it is held"));
        WATCHING.store(true, Ordering::Relaxed);
        if named {
            for (place, count) in &places {
                let _ = writeln!(stderr(), "{count:>8} {place}");
            }
        }
        let _ = writeln!(stdout(), "{all} {}", places.values().sum::<u64>());
    }
}

fn main() -> ExitCode {
    std::thread::spawn(answer_lines);
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let environment = Environment::new(env::vars_os().map(|(name, value)| (text(name), text(value))));
    cli::run(env::args_os(), &environment, &mut stdout(), &mut stderr()).into()
}
