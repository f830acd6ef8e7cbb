//! How alike two texts are that people wrote in a hurry: by the trigrams of their words, as PostgreSQL's `pg_trgm` counts
//! them (each word in lower case, with two blanks before it and one after), so that "lobang", "lubang" and "berlubang"
//! meet. Words that any report may hold say nothing about which, and are left out.

use std::collections::HashSet;

/// Indonesian words, with what is written for them in a hurry, that stand in any report.
const STOP_WORDS: [&str; 72] = [
    "ada", "adalah", "agar", "akan", "aku", "anda", "apa", "atau", "bagi", "banyak", "bapak", "bisa", "bu",
    "buat", "dalam", "dan", "dari", "dekat", "dengan", "depan", "dgn", "di", "dr", "harap", "hari", "ibu",
    "ini", "itu", "jam", "jg", "juga", "kak", "kami", "karena", "kasih", "ke", "kepada", "krn", "lagi",
    "lalu", "lokasi", "mau", "minta", "mohon", "oleh", "pada", "pak", "para", "sama", "sampai", "sangat",
    "saya", "sdh", "sebelah", "sekali", "seperti", "sudah", "tadi", "tanpa", "tapi", "tdk", "telah",
    "terima", "tersebut", "tidak", "tolong", "untuk", "utk", "warga", "yang", "yg", "ya",
];

/// The trigrams of a text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trigrams(HashSet<[char; 3]>);

impl Trigrams {
    pub fn of(text: &str) -> Trigrams {
        let lower = text.to_lowercase();
        let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let mut trigrams = HashSet::new();
        for word in words.filter(|word| !STOP_WORDS.contains(word)) {
            let padded: Vec<char> = [' ', ' '].into_iter().chain(word.chars()).chain([' ']).collect();
            trigrams.extend(padded.windows(3).map(|three| [three[0], three[1], three[2]]));
        }
        Trigrams(trigrams)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Shared trigrams by all that either has: from 0 to 1, and 0 where one has none.
    ///
    /// ```
    /// use pantau::live::Trigrams;
    /// let likeness = |a, b| Trigrams::of(a).likeness(&Trigrams::of(b));
    /// assert_eq!(likeness("Ada sampah di pasar", "sampah, pasar!"), 1.0);
    /// assert_eq!(likeness("sampah", ""), 0.0);
    /// ```
    pub fn likeness(&self, other: &Trigrams) -> f64 {
        let shared = self.0.intersection(&other.0).count();
        let all = self.0.len() + other.0.len() - shared;
        if all == 0 { 0.0 } else { shared as f64 / all as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeness(a: &str, b: &str) -> f64 {
        let (a, b) = (Trigrams::of(a), Trigrams::of(b));
        assert_eq!(a.likeness(&b), b.likeness(&a));
        a.likeness(&b)
    }

    #[test]
    fn the_same_thing_said_by_two_neighbours_is_more_alike_than_another_thing_on_the_same_street() {
        let (one, other, another) = (
            "Lubang besar di jalan depan Masjid Al-Munawwar, motor sudah jatuh",
            "tolong, jln berlobang dpn mesjid Al Munawar. ada motor jatuh",
            "Lampu jalan depan pasar mati sudah tiga malam",
        );
        let (alike, different) = (likeness(one, other), likeness(one, another));
        assert!(alike > 0.35 && different < 0.2, "{alike} {different}");
        assert_eq!(likeness(one, one), 1.0);
    }

    #[test]
    fn courtesies_alone_are_alike_to_nothing() {
        assert!(Trigrams::of("Tolong pak, mohon dengan sangat, terima kasih").is_empty());
        assert_eq!(likeness("tolong pak", "tolong pak"), 0.0);
        assert_eq!(likeness("", "🌋"), 0.0);
    }
}
