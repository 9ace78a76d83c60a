//! Countries in which one mobile number is written in two ways, and WhatsApp knows it by one of them.

/// The other way to write this number (digits with the country code), where its country has one: Brazil's ninth digit,
/// Mexico's 1 and Argentina's 9 behind the country code (PROTOCOL.md 15).
pub(crate) fn other_form(number: &str) -> Option<String> {
    let (country, national) = number.split_at_checked(2)?;
    match country {
        "55" => brazilian(national),
        "52" => prefixed(national, '1'),
        "54" => prefixed(national, '9'),
        _ => None,
    }
    .map(|national| format!("{country}{national}"))
}

/// Two digits of the area, then a mobile number of eight digits, with or without a 9 in front.
fn brazilian(national: &str) -> Option<String> {
    let (area, subscriber) = national.split_at_checked(2)?;
    match (subscriber.len(), subscriber.as_bytes().first()?) {
        (9, b'9') => Some(format!("{area}{}", &subscriber[1..])),
        // What begins otherwise is a line on the wall, and with the 9 somebody else's telephone.
        (8, b'5'..=b'9') => Some(format!("{area}9{subscriber}")),
        _ => None,
    }
}

/// Ten digits, with or without one in front that says that it is a mobile number.
fn prefixed(national: &str, prefix: char) -> Option<String> {
    match (national.len(), national.strip_prefix(prefix)) {
        (11, Some(rest)) => Some(rest.to_owned()),
        (10, _) => Some(format!("{prefix}{national}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_lead_to_each_other() {
        for (one, other) in [
            ("5511987654321", "551187654321"),
            ("5511955550100", "551155550100"),
            ("5215555550100", "525555550100"),
            ("5491155550100", "541155550100"),
        ] {
            assert_eq!(other_form(one).as_deref(), Some(other));
            assert_eq!(other_form(other).as_deref(), Some(one));
        }
    }

    #[test]
    fn others_have_one_form() {
        for number in ["551133334444", "15550000001", "79001234567", "5255", "55", "5", "", "52155555501001"]
        {
            assert_eq!(other_form(number), None, "{number}");
        }
    }
}
