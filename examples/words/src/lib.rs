//! The words of a text and how often each occurs. Noodle builds this crate when it is imported.

use std::collections::BTreeMap;

/// Words in alphabetical order, each with its number of occurrences.
pub struct Words {
    counted: Vec<(String, u32)>,
}

/// Count the words of a text, in lower case; what is no letter separates them.
#[no_mangle]
pub extern "C" fn words_of(text: &str) -> Box<Words> {
    let mut counts = BTreeMap::new();
    for word in text.split(|c: char| !c.is_alphabetic()).filter(|w| !w.is_empty()) {
        *counts.entry(word.to_lowercase()).or_insert(0) += 1;
    }
    Box::new(Words { counted: counts.into_iter().collect() })
}

#[no_mangle]
pub extern "C" fn words_count(words: &Words) -> usize {
    words.counted.len()
}

#[no_mangle]
pub extern "C" fn words_text(words: &Words, index: usize) -> Result<String, String> {
    let found = words.counted.get(index);
    found.map(|(word, _)| word.clone()).ok_or_else(|| format!("there is no word {index}"))
}

#[no_mangle]
pub extern "C" fn words_occurrences(words: &Words, index: usize) -> u32 {
    words.counted[index].1
}

#[no_mangle]
pub extern "C" fn words_free(words: Option<Box<Words>>) {
    drop(words);
}
