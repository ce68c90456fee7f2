//! Import of EDN transactions, one form a line or several, plain or gzip by content.
//!
//! The text is read piece by piece, forms are handed to the transactor as they come, several in flight and in order.
//! A refusal stops the import after what was accepted before it; [`Progress::transactions`] then says how many forms to
//! skip when it is run again.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use annals_query::edn::{self, Completeness, Edn, Form};
use flate2::read::MultiGzDecoder;

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::input::Request;
use crate::transactor::Pending;

/// How many transactions may be on their way.
const IN_FLIGHT: usize = 64;
/// How much text is read at once.
const CHUNK_BYTES: usize = 1 << 18;
/// The longest single form.
const MAX_FORM_BYTES: usize = 1 << 30;

/// Progress so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Transactions that are durable, with those that were skipped.
    pub transactions: u64,
    /// Their datoms (not of those skipped), retractions and instants included.
    pub datoms: u64,
    /// Bytes of input that were read: compressed ones, if the input is compressed.
    pub bytes_read: u64,
}

/// Transacts every form of `input` after the first `skip`, several in flight; stops at the first refusal, naming its
/// number (from 0) and line (from 1).
///
/// ```
/// let conn = annals::connect("mem:")?.database("main")?;
/// let text = "[{:db/ident :rank/mate}]\n[{:db/ident :rank/cook}]\n";
/// let done = annals::import::edn(&conn, &mut text.as_bytes(), 0, &mut |_| {})?;
/// assert_eq!((done.transactions, conn.db().basis_t()), (2, 2));
/// # Ok::<(), annals::Error>(())
/// ```
pub fn edn(
    conn: &Connection,
    input: &mut dyn Read,
    skip: u64,
    progress: &mut dyn FnMut(Progress),
) -> Result<Progress> {
    let mut counted = Counted { input, bytes: 0 };
    let mut import = Import { conn, skip, done: Progress::default(), pending: VecDeque::new() };
    let outcome = import.all(&mut counted, progress);
    import.done.bytes_read = counted.bytes;
    // What was submitted before a refusal stands.
    let drained = import.drain(0, progress);
    outcome.and(drained).map(|()| import.done)
}

/// Counts what is read.
struct Counted<'i> {
    input: &'i mut dyn Read,
    bytes: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

struct Import<'c> {
    conn: &'c Connection,
    skip: u64,
    done: Progress,
    pending: VecDeque<(Pending, Place)>,
}

/// Where a form stands in the input.
#[derive(Clone, Copy)]
struct Place {
    number: u64,
    line: u64,
}

impl Place {
    fn told(self, error: &Error) -> Error {
        let message = format!("transaction {} (line {}): {}", self.number, self.line, error.message());
        error
            .clone()
            .with_message(message)
            .with_data("db.import/transaction", Edn::Int(self.number as i64))
            .with_data("db.import/line", Edn::Int(self.line as i64))
    }
}

impl Import<'_> {
    fn all(&mut self, counted: &mut Counted<'_>, progress: &mut dyn FnMut(Progress)) -> Result<()> {
        let mut plain = BufReader::with_capacity(CHUNK_BYTES, counted);
        let compressed = plain.fill_buf().map_err(|error| unreadable(&error))?.starts_with(&[0x1f, 0x8b]);
        if compressed {
            self.forms(&mut MultiGzDecoder::new(plain), progress)
        } else {
            self.forms(&mut plain, progress)
        }
    }

    /// Reads form after form, and hands each on.
    fn forms(&mut self, input: &mut dyn Read, progress: &mut dyn FnMut(Progress)) -> Result<()> {
        let mut text = Text::default();
        let mut number = 0;
        while let Some((form, line)) =
            text.next_form(input).map_err(|(error, line)| Place { number, line }.told(&error))?
        {
            let place = Place { number, line };
            number += 1;
            if place.number < self.skip {
                self.done.transactions += 1;
                continue;
            }
            self.submit(form, place, progress)?;
        }
        Ok(())
    }

    fn submit(&mut self, form: Form, place: Place, progress: &mut dyn FnMut(Progress)) -> Result<()> {
        self.drain(IN_FLIGHT - 1, progress)?;
        let mut waiting = Request::from(form);
        loop {
            match self.conn.transactor.offer(waiting) {
                Ok(pending) => {
                    self.pending.push_back((pending.map_err(|error| place.told(&error))?, place));
                    return Ok(());
                }
                Err(request) => waiting = *request,
            }
            // Others fill the queue: make room by waiting for our own, or for them.
            if self.pending.is_empty() {
                let next = self.conn.db().basis_t() + 1;
                // Late or not, the next attempt tells.
                let _ = self.conn.sync(next, Duration::from_millis(100));
            } else {
                self.drain(self.pending.len() - 1, progress)?;
            }
        }
    }

    /// Waits until at most so many are on their way.
    fn drain(&mut self, leave: usize, progress: &mut dyn FnMut(Progress)) -> Result<()> {
        while self.pending.len() > leave {
            let Some((pending, place)) = self.pending.pop_front() else { break };
            let report = pending.wait().map_err(|error| {
                self.pending.clear();
                place.told(&error)
            })?;
            self.done.transactions += 1;
            self.done.datoms += report.datoms.len() as u64;
            progress(self.done);
        }
        Ok(())
    }
}

fn unreadable(error: &std::io::Error) -> Error {
    Error::incorrect("db.error/unreadable-input", format!("the input cannot be read: {error}"))
}

/// A window on the input, as text.
#[derive(Default)]
struct Text {
    window: String,
    /// Bytes that are not whole characters yet.
    rest: Vec<u8>,
    at: usize,
    line: u64,
    ended: bool,
}

impl Text {
    /// The next form and the line it begins on.
    fn next_form(&mut self, input: &mut dyn Read) -> Result<Option<(Form, u64)>, (Error, u64)> {
        loop {
            let here = self.line + 1;
            let whole = self.whole();
            match edn::read_next(&self.window[..whole], self.at) {
                Ok(Some((form, end))) => {
                    let start = form.span.map_or(self.at, |span| span.start as usize);
                    let line = here + lines(&self.window[self.at..start]);
                    self.line = line - 1 + lines(&self.window[start..end]);
                    self.at = end;
                    return Ok(Some((form, line)));
                }
                Ok(None) if self.ended => return Ok(None),
                Ok(None) => {}
                Err(error) => {
                    let text = &self.window[self.at..whole];
                    if self.ended || edn::is_complete(text) != Completeness::Incomplete {
                        let before =
                            error.span.and_then(|span| self.window.get(self.at..span.start as usize));
                        return Err((Error::from(error), here + before.map_or(0, lines)));
                    }
                }
            }
            self.more(input).map_err(|error| (error, here))?;
        }
    }

    /// The end of what can be read: nothing but a string goes on beyond the end of a line.
    fn whole(&self) -> usize {
        if self.ended {
            return self.window.len();
        }
        self.window.rfind('\n').map_or(self.at, |end| (end + 1).max(self.at))
    }

    /// Reads on: as much again as is left over, so that long forms are not looked at too often.
    fn more(&mut self, input: &mut dyn Read) -> Result<()> {
        self.window.drain(..self.at);
        self.at = 0;
        if self.window.len() > MAX_FORM_BYTES {
            return Err(Error::incorrect("db.error/too-large", "a form of the input is longer than 1 GiB"));
        }
        let wanted = self.window.len().max(CHUNK_BYTES) as u64;
        let mut bytes = std::mem::take(&mut self.rest);
        let read = input.take(wanted).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
        self.ended = read == 0;
        let whole = match std::str::from_utf8(&bytes) {
            Ok(_) => bytes.len(),
            Err(error) if error.error_len().is_none() && !self.ended => error.valid_up_to(),
            Err(error) => {
                let message = format!("the input is not UTF-8: byte {:#04x}", bytes[error.valid_up_to()]);
                return Err(Error::incorrect("db.error/syntax", message));
            }
        };
        self.rest = bytes.split_off(whole);
        self.window.push_str(std::str::from_utf8(&bytes).expect("it was found to be text"));
        Ok(())
    }
}

fn lines(text: &str) -> u64 {
    text.bytes().filter(|byte| *byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const SCHEMA: &str = "[{:db/ident :a/n :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}]\n";

    fn run(input: &mut dyn Read, skip: u64) -> (Connection, Result<Progress>) {
        let conn = crate::connect("mem:").unwrap().database("main").unwrap();
        let done = edn(&conn, input, skip, &mut |_| {});
        (conn, done)
    }

    fn many(count: usize) -> String {
        let lines = (0..count).map(|n| format!("; number {n}\n[{{:a/n\n {n}}}]\n"));
        SCHEMA.to_owned() + &lines.collect::<String>()
    }

    #[test]
    fn plain_and_compressed_text_amount_to_the_same() {
        let text = many(3000);
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(text.as_bytes()).unwrap();
        for input in [text.into_bytes(), gz.finish().unwrap()] {
            let (conn, done) = run(&mut input.as_slice(), 0);
            let done = done.unwrap();
            assert_eq!((done.transactions, done.bytes_read), (3001, input.len() as u64));
            assert_eq!(done.datoms, 3000 * 2 + 6);
            assert_eq!(conn.db().basis_t(), 3001);
        }
    }

    /// Hands out a few bytes at a time, in the middle of characters too.
    struct Drops<'a>(&'a [u8], usize);

    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn it_does_not_matter_how_the_bytes_come() {
        let text = "[{:db/ident :α/ω\n :db/doc \"two\n\nlines\"}]  ; ü\n[{:db/ident\n :β/ω}] ";
        for step in [1, 2, 3, 7] {
            let (conn, done) = run(&mut Drops(text.as_bytes(), step), 0);
            assert_eq!(done.unwrap().transactions, 2);
            assert!(conn.db().entid(":β/ω").unwrap().is_some());
        }
    }

    #[test]
    fn the_first_refusal_is_named_and_what_came_before_stands() {
        let text = many(10) + "[{:a/n \"x\"}]\n" + "[{:a/n 99}]\n";
        let (conn, done) = run(&mut text.as_bytes(), 0);
        let error = done.unwrap_err();
        assert_eq!(error.keyword(), "db.error/wrong-type-for-attribute");
        assert!(error.message().starts_with("transaction 11 (line 32): "), "{error}");
        assert!(conn.db().entid((":a/n", 9)).unwrap().is_some());
        let (_, done) = run(&mut "[]\n\n[{:a]".as_bytes(), 0);
        let error = done.unwrap_err();
        assert!(error.message().starts_with("transaction 1 (line 3): "), "{error}");
    }

    #[test]
    fn forms_can_be_skipped() {
        let text = many(10);
        let conn = crate::connect("mem:").unwrap().database("main").unwrap();
        let half: String = text.lines().take(1 + 5 * 3).map(|line| format!("{line}\n")).collect();
        let done = edn(&conn, &mut half.as_bytes(), 0, &mut |_| {}).unwrap();
        assert_eq!(done.transactions, 6);
        let done = edn(&conn, &mut text.as_bytes(), done.transactions, &mut |_| {}).unwrap();
        assert_eq!((done.transactions, done.datoms, conn.db().basis_t()), (11, 10, 11));
    }

    #[test]
    fn a_short_queue_only_slows_down() {
        let options = crate::Options { queue: 2, ..crate::Options::default() };
        let conn = crate::connect_with("mem:", options).unwrap().database("main").unwrap();
        let (text, done) = (many(100), std::sync::atomic::AtomicBool::new(false));
        std::thread::scope(|scope| {
            let others = scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::SeqCst) {
                    // Busy or not, it is in the way.
                    let _ = conn.submit("[]");
                }
            });
            let outcome = edn(&conn, &mut text.as_bytes(), 0, &mut |_| {});
            done.store(true, std::sync::atomic::Ordering::SeqCst);
            others.join().unwrap();
            assert_eq!(outcome.unwrap().transactions, 101);
        });
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let (_, done) = run(&mut [b'[', 0xff, b']'].as_slice(), 0);
        assert_eq!(done.unwrap_err().keyword(), "db.error/syntax");
    }
}
