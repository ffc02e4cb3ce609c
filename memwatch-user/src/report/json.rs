//! JSON Lines: one record a line, flushed at once, so that a reader downstream sees it when it happens and nothing is
//! left in a buffer when we are killed.

use std::io::{self, Write};

use super::{record::Record, sink::Sink};

/// Writes each record as one line of JSON.
#[derive(Debug)]
pub struct Json<W> {
    out: W,
    line: Vec<u8>,
}

impl<W: Write> Json<W> {
    /// Records go to `out`, each in one write.
    pub const fn new(out: W) -> Self {
        Self { out, line: Vec::new() }
    }
}

impl<W: Write> Sink for Json<W> {
    fn record(&mut self, record: &Record) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, record)?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)?;
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{
        record::{Body, End, SCHEMA, Subject},
        time::Time,
    };

    fn exec() -> Record {
        let subject = Subject { pid: 7, start_time: Time::from_unix_ms(0) };
        Record {
            schema: SCHEMA,
            ts: Time::from_unix_ms(1),
            subject: Some(subject),
            body: Body::End(End::Exec),
        }
    }

    /// Takes `left` writes, then nobody reads any more.
    struct Pipe {
        seen: Vec<u8>,
        left: usize,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.left = self.left.checked_sub(1).ok_or(io::ErrorKind::BrokenPipe)?;
            self.seen.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_record_is_one_write_and_a_broken_pipe_is_told_apart() {
        let mut json = Json::new(Pipe { seen: Vec::new(), left: 1 });
        json.record(&exec()).unwrap();
        assert_eq!(json.record(&exec()).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        let expected = concat!(
            r#"{"schema":1,"ts":"1970-01-01T00:00:00.001Z","pid":7,"start_time":"1970-01-01T00:00:00.000Z","#,
            r#""type":"end","how":"exec"}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(json.out.seen).unwrap(), expected);
    }
}
