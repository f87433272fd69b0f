//! Text with its escapes undone, and where each byte of it stood: so that a secret is found however much of it was escaped.

/// One way to undo escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// `%2F`, as in URLs.
    Percent,
    /// The same with `+` for a space, as in forms.
    Form,
    /// `\"`, `\n`, `\u00e4`, `\ud83d\udd11`, `\x41`: JSON, C, shells.
    Backslash,
    /// The same twice: JSON as a text inside of JSON.
    TwiceBackslash,
    /// `&amp;`, `&#34;`, `&#x22;`: XML and HTML.
    Entity,
}

impl View {
    /// Every way.
    pub(super) const ALL: [Self; 5] = [
        Self::Percent,
        Self::Form,
        Self::Backslash,
        Self::TwiceBackslash,
        Self::Entity,
    ];

    /// Whether the text looks otherwise in this way.
    pub(super) fn differs(self, text: &str) -> bool {
        match self {
            Self::Percent => text.contains('%'),
            Self::Form => text.contains('+'),
            Self::Backslash => text.contains('\\'),
            Self::TwiceBackslash => text.contains("\\\\"),
            Self::Entity => text.contains('&'),
        }
    }

    /// The text with its escapes undone.
    pub(super) fn text(self, text: &[u8]) -> Vec<u8> {
        let mut undone = Vec::with_capacity(text.len());
        self.each(text, &mut |_, bytes| undone.extend_from_slice(bytes));
        undone
    }

    /// Where each byte of [`View::text`] begins in the text itself; one more entry for its end.
    pub(super) fn origins(self, text: &[u8]) -> Vec<usize> {
        let mut origins = Vec::with_capacity(text.len() + 1);
        self.each(text, &mut |at, bytes| {
            origins.extend(std::iter::repeat_n(at, bytes.len()));
        });
        origins.push(text.len());
        origins
    }

    /// Tells each piece of the undone text with the place where it began.
    fn each(self, text: &[u8], tell: &mut dyn FnMut(usize, &[u8])) {
        if self == Self::TwiceBackslash {
            let (once, origins) = (Self::Backslash.text(text), Self::Backslash.origins(text));
            return Self::Backslash.each(&once, &mut |at, bytes| tell(origins[at], bytes));
        }
        let mut at = 0;
        while at < text.len() {
            let mut room = [0; 4];
            let (length, undone) = match self.escape(&text[at..], &mut room) {
                Some((length, kept)) => (length, &room[..kept]),
                None => (1, &text[at..=at]),
            };
            tell(at, undone);
            at += length;
        }
    }

    /// How long the escape is that a text begins with, and how many bytes it stands for, which are put into `room`.
    fn escape(self, text: &[u8], room: &mut [u8; 4]) -> Option<(usize, usize)> {
        match (self, text) {
            (Self::Form, [b'+', ..]) => {
                room[0] = b' ';
                Some((1, 1))
            }
            (Self::Percent | Self::Form, [b'%', high, low, ..]) => {
                room[0] = u8::try_from(number(&[*high, *low], 16)?).ok()?;
                Some((3, 1))
            }
            (Self::Backslash | Self::TwiceBackslash, [b'\\', ..]) => backslash(text, room),
            (Self::Entity, [b'&', ..]) => entity(text, room),
            _ => None,
        }
    }
}

fn backslash(text: &[u8], room: &mut [u8; 4]) -> Option<(usize, usize)> {
    let plain = match *text.get(1)? {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 8,
        b'f' => 12,
        b'x' if text.len() >= 4 && number(&text[2..4], 16).is_some() => {
            room[0] = u8::try_from(number(&text[2..4], 16)?).ok()?;
            return Some((4, 1));
        }
        b'u' => {
            let (length, character) = unicode(text)?;
            return Some((length, character.encode_utf8(room).len()));
        }
        other => other,
    };
    room[0] = plain;
    Some((2, 1))
}

/// `\u00e4`, `\ud83d\udd11`, `\u{e4}`
fn unicode(text: &[u8]) -> Option<(usize, char)> {
    if text.get(2) == Some(&b'{') {
        let digits = text[3..].iter().take(7).position(|byte| *byte == b'}')?;
        let character = char::from_u32(number(&text[3..3 + digits], 16)?)?;
        return Some((4 + digits, character));
    }
    let unit = number(text.get(2..6)?, 16)?;
    if let Some(character) = char::from_u32(unit) {
        return Some((6, character));
    }
    let second = text.get(6..12).filter(|next| next.starts_with(b"\\u"))?;
    let units = [unit, number(&second[2..], 16)?].map(|unit| unit as u16);
    let character = char::decode_utf16(units).next()?.ok()?;
    Some((12, character))
}

fn entity(text: &[u8], room: &mut [u8; 4]) -> Option<(usize, usize)> {
    let end = text.iter().take(12).position(|byte| *byte == b';')?;
    let character = match &text[1..end] {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        [b'#', b'x' | b'X', digits @ ..] => char::from_u32(number(digits, 16)?)?,
        [b'#', digits @ ..] => char::from_u32(number(digits, 10)?)?,
        _ => return None,
    };
    Some((end + 1, character.encode_utf8(room).len()))
}

/// The number that some digits are; none where one of them is no digit.
fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let all = !digits.is_empty()
        && digits
            .iter()
            .all(|digit| char::from(*digit).is_digit(radix));
    let digits = std::str::from_utf8(digits).ok().filter(|_| all)?;
    u32::from_str_radix(digits, radix).ok()
}
