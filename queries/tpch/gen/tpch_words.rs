//! The word lists of TPC-H and the numbers and texts drawn from a seed (SplitMix64); the same on every machine, not for secrets.

/// The five regions, in the order of their keys.
pub(super) const REGIONS: [&str; 5] = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"];
/// The 25 nations, in the order of their keys, each with its region's key.
pub(super) const NATIONS: [(&str, i64); 25] = [
    ("ALGERIA", 0),
    ("ARGENTINA", 1),
    ("BRAZIL", 1),
    ("CANADA", 1),
    ("EGYPT", 4),
    ("ETHIOPIA", 0),
    ("FRANCE", 3),
    ("GERMANY", 3),
    ("INDIA", 2),
    ("INDONESIA", 2),
    ("IRAN", 4),
    ("IRAQ", 4),
    ("JAPAN", 2),
    ("JORDAN", 4),
    ("KENYA", 0),
    ("MOROCCO", 0),
    ("MOZAMBIQUE", 0),
    ("PERU", 1),
    ("CHINA", 2),
    ("ROMANIA", 3),
    ("SAUDI ARABIA", 4),
    ("VIETNAM", 2),
    ("RUSSIA", 3),
    ("UNITED KINGDOM", 3),
    ("UNITED STATES", 1),
];
pub(super) const SEGMENTS: [&str; 5] = ["AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY"];
pub(super) const PRIORITIES: [&str; 5] = ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"];
pub(super) const INSTRUCTIONS: [&str; 4] = ["COLLECT COD", "DELIVER IN PERSON", "NONE", "TAKE BACK RETURN"];
pub(super) const MODES: [&str; 7] = ["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"];
/// A part's type is one word of each.
pub(super) const TYPE_CLASSES: [&str; 6] = ["ECONOMY", "LARGE", "MEDIUM", "PROMO", "SMALL", "STANDARD"];
pub(super) const TYPE_FINISHES: [&str; 5] = ["ANODIZED", "BRUSHED", "BURNISHED", "PLATED", "POLISHED"];
pub(super) const TYPE_METALS: [&str; 5] = ["BRASS", "COPPER", "NICKEL", "STEEL", "TIN"];
/// A part's container is one word of each.
pub(super) const CONTAINER_SIZES: [&str; 5] = ["JUMBO", "LG", "MED", "SM", "WRAP"];
pub(super) const CONTAINER_KINDS: [&str; 8] = ["BAG", "BOX", "CAN", "CASE", "DRUM", "JAR", "PACK", "PKG"];
/// A part's name is five different ones of these.
const COLOURS: &str = "almond antique aquamarine azure beige bisque black blanched blue blush brown burlywood burnished chartreuse \
    chiffon chocolate coral cornflower cornsilk cream cyan dark deep dim dodger drab firebrick floral forest frosted gainsboro ghost \
    goldenrod green grey honeydew hot indian ivory khaki lace lavender lawn lemon light lime linen magenta maroon medium metallic \
    midnight mint misty moccasin navajo navy olive orange orchid pale papaya peach peru pink plum powder puff purple red rose rosy \
    royal saddle salmon sandy seashell sienna sky slate smoke snow spring steel tan thistle tomato turquoise violet wheat white yellow";
/// Words of a sentence, in the order they are taken: adverb, adjective, noun, verb.
const ADVERBS: [&str; 10] = ["slyly", "quickly", "carefully", "furiously", "blithely", "fluffily", "always", "never", "evenly", "daringly"];
const ADJECTIVES: [&str; 12] =
    ["special", "pending", "unusual", "express", "final", "regular", "silent", "bold", "even", "ironic", "busy", "quiet"];
const NOUNS: [&str; 10] =
    ["requests", "packages", "deposits", "accounts", "foxes", "ideas", "theodolites", "pinto beans", "instructions", "platelets"];
const VERBS: [&str; 12] = ["sleep", "wake", "haggle", "nag", "cajole", "boost", "detect", "integrate", "use", "doze", "run", "print"];
const LETTERS: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ,";

/// What is drawn for one table, in a fixed order.
pub(super) struct Draw(u64);

impl Draw {
    /// Tables of one seed do not draw the same numbers.
    pub(super) fn new(seed: u64, table: u64) -> Self {
        let mut first = Self(seed ^ (table << 56));
        Self(first.next())
    }
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
    /// A whole number from `low` to `high`, both included; `low` where `high` is less.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below(high.abs_diff(low).saturating_add(1) * u64::from(high >= low)) as i64
    }
    /// True one time in `ratio`.
    pub(super) fn once_in(&mut self, ratio: u64) -> bool {
        self.below(ratio) == 0
    }
    pub(super) fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of.get(self.below(of.len() as u64) as usize).copied().unwrap_or_default()
    }
    /// 10 to 40 letters, digits, blanks and commas.
    pub(super) fn address(&mut self) -> String {
        let length = self.between(10, 40);
        let letters: String = (0..length).map(|_| char::from(LETTERS[self.below(64) as usize])).collect();
        format!("{:_<10}", letters.trim())
    }
    /// A number of the nation `nation`, whose country code is ten more than its key.
    pub(super) fn phone(&mut self, nation: i64) -> String {
        let (area, first, last) = (self.between(100, 999), self.between(100, 999), self.between(1000, 9999));
        format!("{}-{area}-{first}-{last}", nation + 10)
    }
    /// Five different colours.
    pub(super) fn part_name(&mut self) -> String {
        let colours: Vec<&str> = COLOURS.split_whitespace().collect();
        let mut name: Vec<&str> = Vec::with_capacity(5);
        while name.len() < 5 {
            let colour = self.pick(&colours);
            if !name.contains(&colour) {
                name.push(colour);
            }
        }
        name.join(" ")
    }
    /// Sentences of `low` to `high` bytes.
    pub(super) fn text(&mut self, low: i64, high: i64) -> String {
        let length = self.between(low, high).unsigned_abs() as usize;
        let mut out = String::with_capacity(length + 48);
        while out.len() < length {
            for words in [&ADVERBS[..], &ADJECTIVES, &NOUNS, &VERBS] {
                out.push_str(self.pick(words));
                out.push(' ');
            }
        }
        out.truncate(length);
        while out.ends_with(' ') {
            out.pop();
            out.push('.');
        }
        out
    }
    /// Sentences that have `first` and, further on, `then`; 25 to 75 bytes where both words have less than 12.
    pub(super) fn text_around(&mut self, first: &str, then: &str) -> String {
        let (before, amid, after) = (self.text(5, 18), self.text(5, 16), self.text(5, 14));
        format!("{before} {first} {amid} {then} {after}")
    }
}
