//! Paths into JSON: `$.a['b c'][0][*]`, and keys in braces, `{a,0}`.

/// Bytes of a path.
const PATH_BYTES_MAX: usize = 4096;

/// A step into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The member of a name.
    Key(String),
    /// The element of a number from 0; from the end when it is below.
    Index(i64),
    /// Every member or element.
    Any,
}

/// The steps of a path; a text that does not begin with `$` is a key.
pub fn steps(path: &str) -> Result<Vec<Step>, String> {
    let wrong = || format!("\"{path}\" is no path of JSON such as $.a[0]");
    if path.len() > PATH_BYTES_MAX {
        return Err(format!("a path of JSON has {} bytes, and {PATH_BYTES_MAX} are allowed", path.len()));
    }
    let path_only = path.trim().trim_start_matches("lax ").trim_start_matches("strict ").trim();
    let Some(mut rest) = path_only.strip_prefix('$') else { return Ok(vec![Step::Key(path.to_string())]) };
    let mut out = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (step, after) = match first {
            '.' if rest.starts_with("..") => return Err(format!("\"..\" in \"{path}\" is not supported yet")),
            '.' => member(rest.get(1..).unwrap_or_default()).ok_or_else(wrong)?,
            '[' => {
                let (inside, after) = bracket(rest.get(1..).unwrap_or_default()).ok_or_else(wrong)?;
                (element(inside).ok_or_else(wrong)?, after)
            }
            _ => return Err(wrong()),
        };
        out.push(step);
        rest = after;
    }
    Ok(out)
}

fn member(rest: &str) -> Option<(Step, &str)> {
    if let Some(after) = rest.strip_prefix('*') {
        return Some((Step::Any, after));
    }
    if let Some(quoted) = rest.strip_prefix('"') {
        let (name, after) = quoted.split_once('"')?;
        return Some((Step::Key(name.to_string()), after));
    }
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let (name, after) = rest.split_at_checked(end)?;
    (!name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-$@ ".contains(c))).then(|| (Step::Key(name.to_string()), after))
}

/// What stands in brackets, and what follows: a bracket within quotes ends nothing.
fn bracket(rest: &str) -> Option<(&str, &str)> {
    let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let end = match quote {
        Some(quote) => 1 + rest.get(1..)?.find(quote)? + 1,
        None => rest.find(']')?,
    };
    let (inside, after) = rest.split_at_checked(end)?;
    Some((inside, after.strip_prefix(']')?))
}

fn element(inside: &str) -> Option<Step> {
    let name = |quote: char| inside.strip_prefix(quote).and_then(|i| i.strip_suffix(quote));
    match inside {
        "*" => Some(Step::Any),
        _ => match name('\'').or_else(|| name('"')) {
            Some(name) => Some(Step::Key(name.to_string())),
            None => inside.trim().parse().ok().map(Step::Index),
        },
    }
}

/// Keys in braces: a number is an element of a list, or a member of that name.
pub fn in_braces(text: &str) -> Result<Vec<Step>, String> {
    let inside = text.trim().strip_prefix('{').and_then(|t| t.strip_suffix('}'));
    let inside = inside.ok_or_else(|| format!("\"{text}\" is no path of JSON such as {{a,0}}"))?;
    let one = |key: &str| match key.trim() {
        key if key.parse::<i64>().is_ok() => Step::Index(key.parse().unwrap_or_default()),
        key => Step::Key(key.trim_matches('"').to_string()),
    };
    Ok(if inside.trim().is_empty() { Vec::new() } else { inside.split(',').map(one).collect() })
}

#[cfg(test)]
mod tests {
    use super::{Step, in_braces, steps};

    #[test]
    fn paths_are_read_and_what_is_none_is_named() {
        let key = |k: &str| Step::Key(k.to_string());
        assert_eq!(steps("$"), Ok(vec![]));
        assert_eq!(steps("$.a.b[0][-1]"), Ok(vec![key("a"), key("b"), Step::Index(0), Step::Index(-1)]));
        assert_eq!(steps("lax $['x ] y'].*[*]"), Ok(vec![key("x ] y"), Step::Any, Step::Any]));
        assert_eq!(steps("plain"), Ok(vec![key("plain")]));
        assert_eq!(in_braces("{a, 2,\"b c\"}"), Ok(vec![key("a"), Step::Index(2), key("b c")]));
        assert!(steps("$.a[?(@.b)]").is_err_and(|e| e.contains("is no path")));
        assert!(steps("$..a").is_err_and(|e| e.contains("not supported")));
        assert!(steps("$a").is_err());
    }
}
