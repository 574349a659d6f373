//! What `WITH (…)` says of a table or sink: its file or where else rows go, its event time, and when it is idle. Keys may be quoted; what is not known is
//! refused.

use std::path::{Path, PathBuf};

use datafusion::sql::sqlparser::ast::{CreateTable, CreateTableOptions, SqlOption};

/// All that options say.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The file that is read.
    pub file: Option<FileOptions>,
    /// Where rows go, if it is a sink.
    pub sink: Option<To>,
    /// How far a row may be ahead of the newest one and still move the watermark, in microseconds.
    pub jump: Option<i64>,
    /// For how long a table without rows still counts for watermarks.
    pub idle: Option<Idle>,
    /// The event-time column.
    pub event_time: Option<String>,
    /// The column that gives the watermark.
    pub watermark: Option<String>,
    /// Whether rows only come.
    pub append_only: bool,
}

/// For how long a table without rows still counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Epochs.
    Epochs(u64),
    /// Microseconds of the clock.
    Micros(i64),
}

/// A file that a table reads or writes.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// Where it is.
    pub path: PathBuf,
    /// How rows are written in it.
    pub format: Format,
}

/// Where the rows of a sink go.
#[derive(Clone, Debug)]
pub enum To {
    /// Into a file.
    File(FileOptions),
    /// Among the answers of the script.
    Shown,
    /// Nowhere: the query is computed and no more.
    Nowhere,
}

impl To {
    /// What a connector that is no file does with rows.
    fn of(connector: &str) -> Option<Self> {
        Some(match connector {
            "print" | "stdout" | "preview" => To::Shown,
            "blackhole" => To::Nowhere,
            _ => return None,
        })
    }

    /// Whether it cannot say that a row goes.
    pub fn only_grows(&self) -> bool {
        matches!(self, To::File(file) if file.format != Format::Debezium)
    }

    /// The path of the file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            To::File(file) => Some(&file.path),
            To::Shown | To::Nowhere => None,
        }
    }
}

/// How rows are written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values with a header line.
    Csv,
    /// A JSON object a line.
    Json,
    /// Parquet.
    Parquet,
    /// A change a line, as Debezium writes them.
    Debezium,
    /// A line a row, of one column.
    Lines,
}

impl Format {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "csv" => Format::Csv,
            "json" => Format::Json,
            "parquet" => Format::Parquet,
            "debezium_json" | "debezium-json" => Format::Debezium,
            "raw_string" => Format::Lines,
            _ => return None,
        })
    }

    fn by_ending(path: &Path) -> Option<Self> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("csv") => Some(Format::Csv),
            Some("json" | "jsonl" | "ndjson") => Some(Format::Json),
            Some("parquet") => Some(Format::Parquet),
            _ => None,
        }
    }
}

/// Options by name, for the nearest of a wrong one.
const KNOWN: [&str; 10] = [
    "connector",
    "path",
    "format",
    "type",
    "event_time_field",
    "watermark_field",
    "watermark.max_jump",
    "watermark.idle",
    "append_only",
    "json.unstructured",
];

/// Values of options that take few.
const VALUES: [(&str, &[&str]); 6] = [
    ("connector", &["file", "filesystem", "single_file", "print", "stdout", "preview", "blackhole"]),
    ("type", &["source", "sink"]),
    ("format", &["csv", "json", "parquet", "debezium_json", "raw_string"]),
    ("append_only", &["true", "false"]),
    ("json.unstructured", &["true", "false"]),
    ("materialized", &["true"]),
];

/// From here on a value is taken for another that is written wrong.
const LIKE: f64 = 0.65;

/// What is most like something that is not known, and how like it is, up to 1.
fn nearest<'a>(known: &[&'a str], given: &str) -> (f64, &'a str) {
    // Of short words the one measure sees what the other does not: `cvs` is two thirds of `csv`.
    let likeness = |k: &str| strsim::jaro_winkler(k, given).max(strsim::normalized_damerau_levenshtein(k, given));
    let all = known.iter().map(|k| (likeness(k), *k));
    all.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or_default()
}

/// What is said of an option, or of its value, that is not known; `statement` is what it is an option of.
fn unknown(statement: &str, key: &str, value: &str) -> String {
    match VALUES.iter().find(|(of, _)| *of == key) {
        Some((_, known)) => {
            let hint = match nearest(known, &value.to_lowercase()) {
                (likeness, near) if likeness > LIKE => format!("did you mean '{near}'?"),
                _ => format!("known are '{}'", known.join("', '")),
            };
            format!("{key} = '{value}' is not supported yet in {statement}; {hint}")
        }
        None => format!("unknown option \"{key}\" of {statement}; did you mean \"{}\"?", nearest(&KNOWN, key).1),
    }
}

/// Reads the options of a `CREATE TABLE` or another `statement` that names a file, with the format that `FORMAT … ENCODE …` may have said.
///
/// # Errors
/// With what is wrong or not known in them.
pub fn of(create: &CreateTable, encoded: Option<&str>, statement: &str) -> Result<Options, String> {
    let written: &[SqlOption] = match &create.table_options {
        CreateTableOptions::None => &[],
        CreateTableOptions::With(options) | CreateTableOptions::Options(options) => options,
        _ => return Err(format!("these options of {statement} are not supported yet")),
    };
    let (mut out, mut path, mut format, mut sink, mut lines, mut to) = (Options::default(), None, None, false, false, None);
    if let Some(name) = encoded {
        format = Format::of(name);
    }
    for option in written {
        let SqlOption::KeyValue { key, value } = option else { return Err(format!("option {option} is not supported yet")) };
        let (key, value) = (key.value.to_lowercase(), value.to_string().trim_matches('\'').to_string());
        match (key.as_str(), value.as_str()) {
            ("connector", "file" | "filesystem" | "single_file") | ("type", "source") => {}
            ("connector", name) if To::of(name).is_some() => to = To::of(name),
            // Tables of other engines that are kept whole, as all are here.
            ("materialized", "true") => {}
            ("type", "sink") => sink = true,
            ("path", _) => path = Some(PathBuf::from(value.strip_prefix("file://").unwrap_or(&value))),
            ("format", name) if Format::of(name).is_some() => format = Format::of(name),
            ("event_time_field", _) => out.event_time = Some(value),
            ("watermark_field", _) => out.watermark = Some(value),
            ("watermark.max_jump", text) => out.jump = Some(duration(text)?),
            ("watermark.idle" | "scan.watermark.idle-timeout" | "idle_time", text) => out.idle = Some(idle(text)?),
            ("append_only", "true" | "false") => out.append_only = value == "true",
            ("json.unstructured", "true" | "false") => lines = value == "true",
            (key, value) => return Err(unknown(statement, key, value)),
        }
    }
    if to.is_some() {
        return match path {
            None => Ok(Options { sink: to, ..out }),
            Some(_) => Err(format!("{statement} with a connector that is no file takes no path")),
        };
    }
    let Some(path) = path else {
        return match (sink, format) {
            (false, None) => Ok(out),
            _ => Err(format!("{statement} with a connector needs path = '…'")),
        };
    };
    let format = format.or_else(|| Format::by_ending(&path));
    let format = format.ok_or_else(|| format!("the format of \"{}\" is not known; give format = '…'", path.display()))?;
    let format = match (lines, format) {
        (false, format) => format,
        (true, Format::Json) => Format::Lines,
        (true, _) => return Err("json.unstructured needs format = 'json'".into()),
    };
    let file = FileOptions { path, format };
    match sink {
        true => out.sink = Some(To::File(file)),
        false => out.file = Some(file),
    }
    Ok(out)
}

/// A length of time such as `10 seconds`, in microseconds.
fn duration(text: &str) -> Result<i64, String> {
    let wrong = || format!("\"{text}\" is not a length of time; write one such as '10 minutes'");
    let text_only = text.trim();
    let digits = text_only.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text_only.split_at_checked(digits).ok_or_else(wrong)?;
    let number: i64 = number.parse().map_err(|_| wrong())?;
    let unit = match unit.trim() {
        "ms" | "millisecond" | "milliseconds" => 1_000,
        "s" | "sec" | "second" | "seconds" => 1_000_000,
        "min" | "minute" | "minutes" => 60_000_000,
        "h" | "hour" | "hours" => 3_600_000_000,
        "d" | "day" | "days" => 86_400_000_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).filter(|m| *m > 0).ok_or_else(wrong)
}

/// `10 epochs`, or a length of time.
fn idle(text: &str) -> Result<Idle, String> {
    match text.trim().strip_suffix("epochs").or_else(|| text.trim().strip_suffix("epoch")) {
        Some(number) => match number.trim().parse() {
            Ok(epochs @ 1..) => Ok(Idle::Epochs(epochs)),
            _ => Err(format!("\"{text}\" is not a number of epochs; write one such as '10 epochs'")),
        },
        None => duration(text).map(Idle::Micros),
    }
}
