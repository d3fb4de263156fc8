//! libpq's two notations, `word=value ...` and `postgresql://...`, taken apart into words.
//!
//! Knows the notations of "34.1.1. Connection Strings" in PostgreSQL's manual, not what the words
//! mean. An error never quotes the text: any part of it may be a piece of a password that should
//! have been quoted or percent-encoded.

/// A word and its value, in the order given; what a URL says by position has the word it stands for.
pub(super) type Words = Vec<(String, String)>;

const ENCODE: &str = "percent-encode : / ? # @ % in the user and the password";

pub(super) fn split(text: &str) -> Result<Words, String> {
    let text = text.trim();
    match ["postgresql://", "postgres://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
    {
        Some(rest) => url(rest),
        // behind the first `=` it may be part of a password
        None if text
            .split('=')
            .next()
            .is_some_and(|first| first.contains("://")) =>
        {
            Err("it must begin with postgresql:// or be words like host=... dbname=...".to_owned())
        }
        None => pairs(text),
    }
}

fn pairs(text: &str) -> Result<Words, String> {
    let mut words = Words::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, after) = rest
            .split_once('=')
            .map(|(word, after)| (word.trim_end(), after.trim_start()))
            .filter(|(word, _)| !word.contains(char::is_whitespace))
            .ok_or("a word has no `=` behind it; quote a value with spaces: word='a value'")?;
        let (value, after) = value(after)?;
        words.push((word.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(words)
}

fn value(text: &str) -> Result<(String, &str), String> {
    let quoted = text.strip_prefix('\'');
    let text = quoted.unwrap_or(text);
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => value.extend(letters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted.is_some() => return Ok((value, &text[at + 1..])),
            c if quoted.is_none() && c.is_whitespace() => return Ok((value, &text[at..])),
            c => value.push(c),
        }
    }
    if quoted.is_some() {
        return Err("a quoted value has no closing quote".to_owned());
    }
    Ok((value, ""))
}

fn url(text: &str) -> Result<Words, String> {
    let (place, query) = text.split_once('?').unwrap_or((text, ""));
    let (authority, dbname) = place.split_once('/').unwrap_or((place, ""));
    if dbname.contains('@') || query.split(['=', '&']).step_by(2).any(|w| w.contains('@')) {
        return Err(format!("there is an @ behind the host; {ENCODE}"));
    }
    let mut words = Words::new();
    let mut push = |word: &str, value: &str| -> Result<(), String> {
        words.push((word.to_owned(), decode(value)?));
        Ok(())
    };
    // libpq takes the first @; a raw one in the password would then show up as a host name.
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (login, None),
    };
    if !user.is_empty() {
        push("user", user)?;
    }
    if let Some(password) = password {
        push("password", password)?;
    }
    if !hosts.is_empty() {
        let (names, ports): (Vec<_>, Vec<_>) = hosts.split(',').map(name_and_port).unzip();
        if names.iter().any(|name| !name.is_empty()) {
            push("host", &names.join(","))?;
        }
        if ports.iter().any(|port| !port.is_empty()) {
            push("port", &ports.join(","))?;
        }
    }
    if !dbname.is_empty() {
        push("dbname", dbname)?;
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (word, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("a word behind the ? has no `=`; {ENCODE}"))?;
        push(&decode(word)?, value)?;
    }
    Ok(words)
}

fn name_and_port(host: &str) -> (&str, &str) {
    let bracketed = host
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map(|(name, rest)| (name, rest.strip_prefix(':').unwrap_or(rest)));
    bracketed.unwrap_or_else(|| host.split_once(':').unwrap_or((host, "")))
}

fn decode(text: &str) -> Result<String, String> {
    let wrong = || format!("a % is not followed by two hexadecimal digits; {ENCODE}");
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2).ok_or_else(wrong)?;
            let digit = |at: usize| char::from(digits[at]).to_digit(16).ok_or_else(wrong);
            let value = digit(0)? * 16 + digit(1)?;
            decoded.push(u8::try_from(value).map_err(|_| wrong())?);
            rest = after;
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded)
        .ok()
        .filter(|text| !text.contains('\0'))
        .ok_or_else(|| "a percent-encoded part is not UTF-8 text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let words = split(text).map(|words| {
            let words: Vec<_> = words.iter().map(|(w, v)| format!("{w}={v}")).collect();
            words.join("|")
        });
        assert_eq!(words.as_deref(), Ok(expected), "{text}");
    }

    #[test]
    fn pairs_are_quoted_as_in_libpq() {
        check("", "");
        check("host=a  dbname = b ", "host=a|dbname=b");
        check(r"password='it\'s a \\' user=u", r"password=it's a \|user=u");
        check("password='' user=u", "password=|user=u");
        check("host=a password='b://c'", "host=a|password=b://c");
        check(r"options=-c\ lock_timeout=5s", "options=-c lock_timeout=5s");
    }

    #[test]
    fn urls_say_the_same_by_position() {
        check("postgresql://", "");
        check("postgres:///db", "dbname=db");
        check("postgres://h", "host=h");
        check("postgres://:6543/db", "port=6543|dbname=db");
        check("postgresql://u@h:1/db", "user=u|host=h|port=1|dbname=db");
        check(
            "postgresql://u:p%40%2F@a:1,b,[::1]:3/db?sslmode=require&connect_timeout=5",
            "user=u|password=p@/|host=a,b,::1|port=1,,3|dbname=db|sslmode=require|connect_timeout=5",
        );
        check(
            "postgresql://u:p@ss@h/db",
            "user=u|password=p@ss|host=h|dbname=db",
        );
        check("postgresql://%2Fvar%2Frun/db", "host=/var/run|dbname=db");
        check("postgresql:///?host=/tmp&user=u", "host=/tmp|user=u");
    }

    #[test]
    fn errors_quote_nothing() {
        for text in [
            "password=the secret user=u",
            "password='secret",
            "mysql://u:secret@h/db",
            "postgresql://u:12/secret@h/db",
            "postgresql://u:12?secret@h/db",
            "postgresql://u:secret%zz@h/db",
            "postgresql://u:secret%f",
            "postgresql://u:p@h/db?secret",
        ] {
            let error = split(text).expect_err(text);
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
