//! Scalars of the CIB (scheduler-spec/01 §3): integers, booleans, durations, versions.

/// Boolean text (§3.3); `None` if it is not a boolean.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    const TRUE: [&str; 5] = ["true", "on", "yes", "y", "1"];
    const FALSE: [&str; 5] = ["false", "off", "no", "n", "0"];
    if TRUE.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        Some(true)
    } else if FALSE.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        Some(false)
    } else {
        None
    }
}

/// Leading decimal integer as C's `strtoll` reads it (§3.1): blanks and sign allowed, trailing
/// characters ignored, clipped. `None` if there are no digits.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let rest = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let (negative, digits) = match rest.as_bytes().first()? {
        b'-' => (true, &rest[1..]),
        b'+' => (false, &rest[1..]),
        _ => (false, rest),
    };
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    if end == 0 {
        return None;
    }
    let mut value: i64 = 0;
    for digit in digits[..end].bytes() {
        let digit = i64::from(digit - b'0');
        value = value.saturating_mul(10);
        value = if negative {
            value.saturating_sub(digit)
        } else {
            value.saturating_add(digit)
        };
    }
    Some(value)
}

/// Leading decimal number as C's `strtod` reads it: trailing characters ignored. `None` if the
/// text does not begin with a number, or it is out of range.
pub(crate) fn number(text: &str) -> Option<f64> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let bytes = text.as_bytes();
    let digits_from = |from: usize| {
        let run = bytes.get(from..).unwrap_or_default();
        from + run.iter().take_while(|c| c.is_ascii_digit()).count()
    };
    let start = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let mut end = digits_from(start);
    let mut digits = end - start;
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits_from(end + 1);
        digits += fraction - end - 1;
        end = fraction;
    }
    if digits == 0 {
        return None;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits_from(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    let mantissa = text[..end].split(['e', 'E']).next().unwrap_or_default();
    let value: f64 = text[..end].parse().ok()?;
    let is_zero = !mantissa.bytes().any(|c| matches!(c, b'1'..=b'9'));
    (is_zero || (value.is_finite() && value.abs() >= f64::MIN_POSITIVE)).then_some(value)
}

/// Integer that must not be negative (§3.1): invalid text counts as 0, negative values too, too
/// large ones are clipped.
pub(crate) fn non_negative(text: &str) -> i32 {
    integer(text).unwrap_or(0).clamp(0, i64::from(i32::MAX)) as i32
}

/// Duration with unit in ms (§3.4); default unit seconds; may be negative; `None` if it is not a
/// duration.
pub fn milliseconds(text: &str) -> Option<i64> {
    let value = integer(text)?;
    let rest = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let unit = rest.trim_start().to_ascii_lowercase();
    if unit.is_empty() || unit.starts_with('s') {
        Some(value.saturating_mul(1000))
    } else if unit.starts_with("ms") {
        Some(value)
    } else if unit.starts_with("us") {
        Some(value / 1000)
    } else if unit.starts_with('m') {
        Some(value.saturating_mul(60_000))
    } else if unit.starts_with('h') {
        Some(value.saturating_mul(3_600_000))
    } else {
        None
    }
}

/// Milliseconds as seconds (§3.5): 0 → 0, below 1000 → 1, else rounded half up.
pub(crate) fn seconds(ms: u32) -> i64 {
    match ms {
        0 => 0,
        1..=999 => 1,
        _ => i64::from(ms) / 1000 + i64::from(ms % 1000 >= 500),
    }
}

/// Compares versions component by component (§3.9).
pub(crate) fn compare_versions(a: &str, b: &str) -> std::cmp::Ordering {
    let parts = |text: &str| -> Vec<u64> {
        let text = text.trim_start();
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        text[..end]
            .split('.')
            .map_while(|part| part.parse().ok())
            .collect()
    };
    let (a, b) = (parts(a), parts(b));
    (0..a.len().max(b.len()))
        .map(|i| a.get(i).unwrap_or(&0).cmp(b.get(i).unwrap_or(&0)))
        .find(|order| order.is_ne())
        .unwrap_or(std::cmp::Ordering::Equal)
}
