//! Signals that ask the program to stop: work that can be saved is saved first, a second signal ends it at once.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::tell;

/// Set by the first signal; long work looks at it.
pub static STOP: AtomicBool = AtomicBool::new(false);

/// Number of the signal that asked to stop; 0 before.
static SIGNAL: AtomicU8 = AtomicU8::new(0);

/// Whether there is work under way that looks at [`STOP`].
static HEEDED: AtomicBool = AtomicBool::new(false);

/// The flag for work that looks at it; before this call a signal ends the program at once, as nothing would be lost.
pub fn heeded() -> &'static AtomicBool {
    HEEDED.store(true, Ordering::Relaxed);
    &STOP
}

/// The exit code of work that was stopped by a signal: 130 after SIGINT, 143 after SIGTERM, 129 after SIGHUP.
pub fn stopped() -> ExitCode {
    ExitCode::from(code(SIGNAL.load(Ordering::Relaxed)))
}

/// Whether the terminal went away, and with it whoever reads what is printed.
pub fn hung_up() -> bool {
    SIGNAL.load(Ordering::Relaxed) == SIGHUP
}

const SIGHUP: u8 = 1;
const SIGINT: u8 = 2;

fn code(signal: u8) -> u8 {
    // Work can be stopped by a signal alone.
    128 + if signal == 0 { SIGINT } else { signal }
}

/// The first signal: asks work to stop, or ends the program if none would hear.
fn first(signal: u8, name: &str) {
    SIGNAL.store(signal, Ordering::Relaxed);
    STOP.store(true, Ordering::Relaxed);
    // Under the line on which a terminal shows ^C.
    tell("");
    if HEEDED.load(Ordering::Relaxed) {
        tell(&format!(
            "stopping on {name} (Ctrl-C again to stop at once) ..."
        ));
    } else {
        tell(&format!("stopped on {name}; nothing was begun"));
        std::process::exit(i32::from(code(signal)));
    }
}

/// Hears signals from here on.
#[cfg(unix)]
pub fn listen() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    use signal_hook::iterator::Signals;
    use std::time::{Duration, Instant};

    /// Wrappers such as `timeout` signal a program and its group, a closing terminal its jobs and their group.
    const SAME: Duration = Duration::from_millis(250);

    // A file that outgrows its limit is an error of writing, which the run can tell, once its signal is caught.
    let mut wanted = vec![SIGINT, SIGTERM, SIGXFSZ];
    if !is_ignored(SIGHUP) {
        wanted.push(SIGHUP);
    }
    let mut signals = match Signals::new(&wanted) {
        Ok(signals) => signals,
        Err(error) => {
            return tell(&format!(
                "warning: signals cannot be caught ({error}); they will stop the program at once."
            ));
        }
    };
    std::thread::spawn(move || {
        let mut since: Option<Instant> = None;
        for signal in signals.forever().filter(|signal| *signal != SIGXFSZ) {
            let number = signal as u8;
            match since {
                None => {
                    since = Some(Instant::now());
                    let name = match signal {
                        SIGINT => "Ctrl-C (SIGINT)",
                        SIGTERM => "SIGTERM",
                        _ => "SIGHUP",
                    };
                    first(number, name);
                }
                Some(since) if since.elapsed() < SAME => {}
                // A terminal that goes away may say so twice, seconds apart.
                Some(_) if signal == SIGHUP && hung_up() => {}
                Some(_) => std::process::exit(i32::from(code(number))),
            }
        }
    });
}

/// Hears Ctrl-C from here on.
#[cfg(not(unix))]
pub fn listen() {
    let handler = ctrlc::set_handler(|| match STOP.load(Ordering::Relaxed) {
        true => std::process::exit(i32::from(code(SIGINT))),
        false => first(SIGINT, "Ctrl-C"),
    });
    if let Err(error) = handler {
        tell(&format!(
            "warning: Ctrl-C cannot be caught ({error}); it will stop at once."
        ));
    }
}

/// Whether whoever started the program has it ignore `signal`, as `nohup` does with SIGHUP.
#[cfg(target_os = "linux")]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Other systems do not tell; `nohup` leaves no terminal to write to.
#[cfg(all(unix, not(target_os = "linux")))]
fn is_ignored(_: i32) -> bool {
    use std::io::IsTerminal;
    !std::io::stdout().is_terminal() && !std::io::stderr().is_terminal()
}
