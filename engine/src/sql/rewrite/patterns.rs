//! Patterns of times in text, as other engines write them, in the words of `strftime`, which DataFusion's functions take.
//!
//! A pattern without `%` would be printed as it stands, so `to_char` takes it for one of Postgres, `date_format` for one of Java;
//! functions that read a time go by its first year. What a pattern cannot say here is refused.

/// Postgres's templates, longest first; none where `strftime` has no word for it.
const POSTGRES: [(&str, Option<&str>); 33] = [
    ("FMMONTH", Some("%B")),
    ("FMDAY", Some("%A")),
    ("FMHH24", Some("%-H")),
    ("FMHH12", Some("%-I")),
    ("FMDD", Some("%-d")),
    ("FMMM", Some("%-m")),
    ("MONTH", None),
    ("HH24", Some("%H")),
    ("HH12", Some("%I")),
    ("YYYY", Some("%Y")),
    ("IYYY", Some("%G")),
    ("SSSS", None),
    ("DAY", None),
    ("DDD", Some("%j")),
    ("MON", Some("%b")),
    ("IDDD", None),
    ("YYY", None),
    ("FM", None),
    ("TZ", Some("%Z")),
    ("OF", Some("%:z")),
    ("DY", Some("%a")),
    ("DD", Some("%d")),
    ("MM", Some("%m")),
    ("MI", Some("%M")),
    ("MS", Some("%3f")),
    ("US", Some("%6f")),
    ("SS", Some("%S")),
    ("HH", Some("%I")),
    ("YY", Some("%y")),
    ("IW", Some("%V")),
    ("ID", Some("%u")),
    ("AM", Some("%p")),
    ("PM", Some("%p")),
];

/// Java's letters, by how often they stand there.
const JAVA: [(char, &[(usize, &str)]); 13] = [
    ('y', &[(4, "%Y"), (2, "%y")]),
    ('u', &[(4, "%Y"), (2, "%y")]),
    ('M', &[(4, "%B"), (3, "%b"), (2, "%m"), (1, "%-m")]),
    ('d', &[(2, "%d"), (1, "%-d")]),
    ('D', &[(3, "%j")]),
    ('H', &[(2, "%H"), (1, "%-H")]),
    ('h', &[(2, "%I"), (1, "%-I")]),
    ('m', &[(2, "%M"), (1, "%-M")]),
    ('s', &[(2, "%S"), (1, "%-S")]),
    ('S', &[(3, "%3f"), (6, "%6f"), (9, "%9f")]),
    ('a', &[(1, "%p"), (2, "%p")]),
    ('E', &[(4, "%A"), (3, "%a"), (2, "%a"), (1, "%a")]),
    ('Z', &[(1, "%z"), (2, "%z"), (3, "%z")]),
];

/// The pattern that a function means; none when it is one of `strftime` already.
pub fn meant(function: &str, pattern: &str) -> Result<Option<String>, String> {
    if pattern.contains('%') || !pattern.chars().any(|c| c.is_ascii_alphabetic()) {
        return Ok(None);
    }
    let java = match function {
        "to_char" => false,
        "date_format" => true,
        _ => pattern.contains("yy") || pattern.contains("uuuu"),
    };
    if java { java_pattern(pattern) } else { postgres_pattern(pattern) }.map(Some)
}

fn postgres_pattern(pattern: &str) -> Result<String, String> {
    let unknown = |part: &str| format!("\"{part}\" in the pattern '{pattern}' is not supported yet");
    let (mut out, mut rest) = (String::new(), pattern);
    while let Some(next) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, after) = quoted.split_once('"').ok_or_else(|| unknown(rest))?;
            out.push_str(text);
            rest = after;
            continue;
        }
        if !next.is_ascii_alphabetic() {
            out.push(next);
            rest = rest.get(next.len_utf8()..).unwrap_or_default();
            continue;
        }
        let begins = |template: &str| rest.get(..template.len()).is_some_and(|start| start.eq_ignore_ascii_case(template));
        let Some((template, word)) = POSTGRES.iter().find(|(template, _)| begins(template)) else { return Err(unknown(rest)) };
        out.push_str(word.ok_or_else(|| unknown(template))?);
        rest = rest.get(template.len()..).unwrap_or_default();
    }
    Ok(out)
}

fn java_pattern(pattern: &str) -> Result<String, String> {
    let letters: Vec<char> = pattern.chars().collect();
    let (mut out, mut quoted) = (String::new(), false);
    for run in letters.chunk_by(|a, b| a == b) {
        let (Some(letter), count) = (run.first(), run.len()) else { continue };
        match letter {
            '\'' => {
                // Two are one; what stands between single ones is text.
                out.extend(std::iter::repeat_n('\'', count / 2));
                quoted ^= count % 2 == 1;
            }
            letter if quoted || !letter.is_ascii_alphabetic() => out.extend(run),
            letter => {
                let known = JAVA.iter().find(|(l, _)| l == letter).and_then(|(_, words)| words.iter().find(|(n, _)| *n == count));
                let (_, word) = known
                    .ok_or_else(|| format!("\"{}\" in the pattern '{pattern}' is not supported yet", run.iter().collect::<String>()))?;
                out.push_str(word);
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn patterns_of_postgres_and_java_become_strftime() {
        let said = |function: &str, pattern: &str| meant(function, pattern).map(Option::unwrap_or_default);
        assert_eq!(said("to_char", "YYYY-MM-DD HH24:MI:SS.MS"), Ok("%Y-%m-%d %H:%M:%S.%3f".into()));
        assert_eq!(said("to_char", "dd Mon yyyy, \"week\" IW"), Ok("%d %b %Y, week %V".into()));
        assert_eq!(said("to_char", "%Y"), Ok(String::new()));
        assert_eq!(said("date_format", "yyyy-MM-dd'T'HH:mm:ss"), Ok("%Y-%m-%dT%H:%M:%S".into()));
        assert_eq!(said("to_timestamp", "yyyy-MM-dd HH:mm:ss"), Ok("%Y-%m-%d %H:%M:%S".into()));
        assert_eq!(said("to_timestamp", "DD.MM.YYYY"), Ok("%d.%m.%Y".into()));
        assert!(said("to_char", "Month").is_err_and(|e| e.contains("\"MONTH\" in the pattern")));
        assert!(said("date_format", "YYYY").is_err_and(|e| e.contains("\"YYYY\" in the pattern")));
    }
}
